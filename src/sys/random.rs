//! Random bytes of the kernel (getrandom(2)).

use super::Errno;
use std::io::Result;

/// Bytes that nobody can guess.
///
/// # Errors
/// `ENOSYS` before Linux 3.17.
pub fn bytes<const COUNT: usize>() -> Result<[u8; COUNT]> {
    const {
        assert!(
            COUNT <= 256,
            "fewer may come at once than were asked for (getrandom(2))"
        )
    };
    let mut bytes = [0; COUNT];
    loop {
        // SAFETY: the kernel writes COUNT bytes at most, and there is room for them.
        let written = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), COUNT, 0) };
        match Errno::result(written) {
            Ok(_) => return Ok(bytes),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn no_two_are_the_same() {
        let (one, other) = (bytes::<32>().unwrap(), bytes::<32>().unwrap());
        assert_ne!(one, other);
        assert_ne!(one, [0; 32]);
    }
}
