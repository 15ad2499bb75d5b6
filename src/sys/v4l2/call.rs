//! ioctl(2) with a number that knows its struct. Only EINTR is tried again.

use super::abi::Plain;
use crate::sys::errno::{Result, uninterrupted};
use nix::{request_code_read, request_code_readwrite, request_code_write};
use std::fs::File;
use std::marker::PhantomData;
use std::os::fd::AsRawFd;

/// An ioctl number and the struct that belongs to it: the number has the struct's size in it.
pub(super) struct Request<T>(pub libc::Ioctl, PhantomData<T>);

pub(super) const fn read<T>(number: u8) -> Request<T> {
    Request(request_code_read!(b'V', number, size_of::<T>()), PhantomData)
}
pub(super) const fn write<T>(number: u8) -> Request<T> {
    Request(request_code_write!(b'V', number, size_of::<T>()), PhantomData)
}
pub(super) const fn read_write<T>(number: u8) -> Request<T> {
    Request(request_code_readwrite!(b'V', number, size_of::<T>()), PhantomData)
}

/// Calls with an argument that has no address in it.
pub(super) fn call<T: Plain>(file: &File, request: &Request<T>, argument: &mut T) -> Result<()> {
    // SAFETY: a `Plain` argument has no address in it.
    unsafe { call_with_addresses(file, request, argument) }
}

/// Calls with an argument in which there may be addresses.
///
/// # Safety
/// Every address in `argument` that the kernel would follow must be of memory that it may write to, as long
/// as is said there.
pub(super) unsafe fn call_with_addresses<T>(
    file: &File,
    request: &Request<T>,
    argument: &mut T,
) -> Result<()> {
    // SAFETY: the number says how many bytes the kernel reads and writes, and that is `T`'s size by the rule that
    // `Request` is made; every bit pattern of the ABI structs is a value of theirs; the caller vouches for addresses.
    let ask = || unsafe { libc::ioctl(file.as_raw_fd(), request.0, std::ptr::from_mut(&mut *argument)) };
    uninterrupted(ask).map(drop)
}
