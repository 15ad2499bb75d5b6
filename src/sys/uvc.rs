//! The extension units of USB cameras: what a maker added to the USB video class, as numbered controls of plain bytes.
//!
//! Names and numbers are those of the kernel's `include/uapi/linux/uvcvideo.h` and of the Universal Serial Bus Device
//! Class Definition for Video Devices 1.1, table A-8.
//!
//! Errors of the calls here: ENOENT: there is no such unit or control; EBADRQC: the control has no such request; ENOBUFS:
//! it is of another length; EPIPE, EIO and others: the camera refuses.

use super::errno::{Errno, Result, uninterrupted};
use nix::request_code_readwrite;
use std::fs::File;
use std::mem::offset_of;
use std::os::fd::AsRawFd;

/// `struct uvc_xu_control_query`; `data` is the address of `size` bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ControlQuery {
    unit: u8,
    selector: u8,
    query: u8,
    size: u16,
    data: usize,
}

const _: () = assert!(offset_of!(ControlQuery, size) == 4 && offset_of!(ControlQuery, data) == 8);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<ControlQuery>() == 16);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<ControlQuery>() == 12);

/// `UVCIOC_CTRL_QUERY`
const CTRL_QUERY: libc::Ioctl = request_code_readwrite!(b'u', 0x21, size_of::<ControlQuery>());

const SET_CUR: u8 = 0x01;
const GET_LEN: u8 = 0x85;

/// A control of an extension unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlId {
    /// bUnitID
    pub unit: u8,
    /// Its number in the unit, from 1.
    pub selector: u8,
}

/// The questions about a control: requests of table A-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Query {
    /// GET_CUR: what it is now.
    Current = 0x81,
    /// GET_MIN: the least.
    Minimum = 0x82,
    /// GET_MAX: the most.
    Maximum = 0x83,
    /// GET_RES: the step from one value to the next.
    Step = 0x84,
    /// GET_DEF: what it is when nobody set it.
    Default = 0x87,
}

/// GET_LEN: how many bytes the control has.
pub fn length(file: &File, control: ControlId) -> Result<usize> {
    let mut bytes = [0; 2];
    control_query(file, control, GET_LEN, &mut bytes)?;
    Ok(u16::from_le_bytes(bytes).into())
}

/// The bytes of the control, as many as it has.
pub fn get(file: &File, control: ControlId, query: Query) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length(file, control)?];
    control_query(file, control, query as u8, &mut bytes)?;
    Ok(bytes)
}

/// SET_CUR: sets the control. ENOBUFS if it has another number of bytes.
pub fn set(file: &File, control: ControlId, bytes: &[u8]) -> Result<()> {
    control_query(file, control, SET_CUR, &mut bytes.to_vec())
}

/// UVCIOC_CTRL_QUERY; only EINTR is tried again.
fn control_query(file: &File, control: ControlId, query: u8, bytes: &mut [u8]) -> Result<()> {
    let mut argument = ControlQuery {
        unit: control.unit,
        selector: control.selector,
        query,
        size: u16::try_from(bytes.len()).map_err(|_| Errno::ENOBUFS)?,
        data: bytes.as_mut_ptr().expose_provenance(),
    };
    // SAFETY: the number has the struct's size in it; `data` is the address of `size` bytes, which are lent to this call
    // alone and which the kernel may write to.
    let ask = || unsafe { libc::ioctl(file.as_raw_fd(), CTRL_QUERY, std::ptr::from_mut(&mut argument)) };
    uninterrupted(ask).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_kernels() {
        let bytes = if cfg!(target_pointer_width = "64") {
            0x10
        } else {
            0x0c
        };
        assert_eq!(CTRL_QUERY as u32, 0xc000_7521 | bytes << 16);
    }

    #[test]
    fn what_is_no_camera_says_so() {
        let file = File::open("/dev/null").unwrap();
        let control = ControlId { unit: 1, selector: 1 };
        assert_eq!(length(&file, control), Err(Errno::ENOTTY));
        assert_eq!(get(&file, control, Query::Current), Err(Errno::ENOTTY));
        assert_eq!(set(&file, control, &[0; 4]), Err(Errno::ENOTTY));
        assert_eq!(set(&file, control, &[0; 65_536]), Err(Errno::ENOBUFS));
    }
}
