//! A device's controls: what there are, and what they are set to.

use super::abi::{ExtControl, ExtControls, QueryExtCtrl, QueryMenu};
use super::call::{Request, call, call_with_addresses, read_write};
use super::ctrl;
use super::types::text;
use crate::sys::errno::{Errno, Result};
use std::fs::File;

/// `V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND`
const NEXT_CONTROL: u32 = 0xc000_0000;
/// The most bytes of one control's value that are fetched; the largest known ones, tables of a whole picture,
/// are below.
const CONTROL_BYTES_MAX: usize = 1 << 20;

const QUERYMENU: Request<QueryMenu> = read_write(37);
const G_EXT_CTRLS: Request<ExtControls> = read_write(71);
const S_EXT_CTRLS: Request<ExtControls> = read_write(72);
const QUERY_EXT_CTRL: Request<QueryExtCtrl> = read_write(103);

/// The description of a control, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// `V4L2_CID_*` or a driver's own.
    pub id: u32,
    /// A type of [`super::ctrl`]; the kernel may know more.
    pub kind: u32,
    /// Its name, for people.
    pub name: String,
    /// Least value; of a text, the least length.
    pub minimum: i64,
    /// Greatest value; of a bitmask, all bits that may be set; of a text, the greatest length.
    pub maximum: i64,
    /// Steps between allowed values.
    pub step: u64,
    /// The driver's default.
    pub default: i64,
    /// `FLAG_*` of [`super::ctrl`].
    pub flags: u32,
    /// Bytes of an element.
    pub elem_bytes: u32,
    /// Elements: 1, or those of an array.
    pub elems: u32,
    /// Lengths in each direction of an array; empty for a single value.
    pub dims: Vec<u32>,
}

fn control_call(file: &File, id: u32) -> Result<Control> {
    let mut q = QueryExtCtrl {
        id,
        kind: 0,
        name: [0; 32],
        minimum: 0,
        maximum: 0,
        step: 0,
        default_value: 0,
        flags: 0,
        elem_size: 0,
        elems: 0,
        nr_of_dims: 0,
        dims: [0; 4],
        reserved: [0; 32],
    };
    call(file, &QUERY_EXT_CTRL, &mut q)?;
    Ok(Control {
        id: q.id,
        kind: q.kind,
        name: text(&q.name),
        minimum: q.minimum,
        maximum: q.maximum,
        step: q.step,
        default: q.default_value,
        flags: q.flags,
        elem_bytes: q.elem_size,
        elems: q.elems,
        dims: q.dims.into_iter().take(q.nr_of_dims as usize).collect(),
    })
}

/// VIDIOC_QUERY_EXT_CTRL of one control. EINVAL: there is none with this id.
pub fn query_control(file: &File, id: u32) -> Result<Control> {
    control_call(file, id)
}

/// VIDIOC_QUERY_EXT_CTRL of the control after `id` (0: the first), compound ones and headings too. EINVAL: no
/// more.
pub fn next_control(file: &File, id: u32) -> Result<Control> {
    control_call(file, id | NEXT_CONTROL)
}

/// VIDIOC_QUERYMENU: an item's text. EINVAL: no such item; the numbers may have holes.
pub fn menu_text(file: &File, id: u32, index: u32) -> Result<String> {
    menu_call(file, id, index).map(|item| text(&item))
}

/// VIDIOC_QUERYMENU: an item's value in an integer menu. EINVAL: no such item; the numbers may have holes.
pub fn menu_integer(file: &File, id: u32, index: u32) -> Result<i64> {
    menu_call(file, id, index).map(|item| i64::from_ne_bytes(std::array::from_fn(|i| item[i])))
}

fn menu_call(file: &File, id: u32, index: u32) -> Result<[u8; 32]> {
    let mut m = QueryMenu {
        id,
        index,
        ..QueryMenu::default()
    };
    call(file, &QUERYMENU, &mut m)?;
    Ok(m.item)
}

/// G_EXT_CTRLS or S_EXT_CTRLS with one control.
///
/// # Safety
/// If the control's value is an address, it must be of `size` bytes that the kernel may write to.
unsafe fn value_call(
    file: &File,
    mut control: ExtControl,
    request: &Request<ExtControls>,
) -> Result<ExtControl> {
    // `which` 0 is V4L2_CTRL_WHICH_CUR_VAL: the present value of controls of any class.
    let controls = std::ptr::from_mut(&mut control).expose_provenance();
    let mut all = ExtControls {
        count: 1,
        controls,
        ..ExtControls::default()
    };
    // SAFETY: `controls` is the address of one control that is ours alone; the caller vouches for the address
    // in it.
    unsafe { call_with_addresses(file, request, &mut all) }?;
    Ok(control)
}

/// An address in the union of `v4l2_ext_control`: its first bytes, as many as an address has.
fn address(bytes: &mut [u8]) -> [u8; 8] {
    let mut value = [0; 8];
    for (to, from) in value
        .iter_mut()
        .zip(bytes.as_mut_ptr().expose_provenance().to_ne_bytes())
    {
        *to = from;
    }
    value
}

/// VIDIOC_G_EXT_CTRLS: the value of a control without a payload.
///
/// # Errors
/// EINVAL for a control that has a payload: its value is not a number. EACCES: write-only.
pub fn get_number(file: &File, control: &Control) -> Result<i64> {
    let wide = number_is_wide(control)?;
    // SAFETY: a control without a payload has no address in it; should the driver think otherwise, it is given
    // of no bytes (`size` 0).
    let got = unsafe {
        value_call(
            file,
            ExtControl {
                id: control.id,
                ..ExtControl::default()
            },
            &G_EXT_CTRLS,
        )
    }?;
    let [a, b, c, d, ..] = got.value;
    Ok(if wide {
        i64::from_ne_bytes(got.value)
    } else if control.kind == ctrl::BITMASK {
        u32::from_ne_bytes([a, b, c, d]).into()
    } else {
        i32::from_ne_bytes([a, b, c, d]).into()
    })
}

/// VIDIOC_S_EXT_CTRLS of a control without a payload.
///
/// # Errors
/// ERANGE: it does not fit, or the driver refuses it; EINVAL for a control that has a payload; EACCES:
/// read-only.
pub fn set_number(file: &File, control: &Control, value: i64) -> Result<()> {
    let bytes = if number_is_wide(control)? {
        value.to_ne_bytes()
    } else {
        // Bitmasks and unsigned values use all 32 bits.
        let narrow = i32::try_from(value).or_else(|_| u32::try_from(value).map(|bits| bits as i32));
        let [a, b, c, d] = narrow.map_err(|_| Errno::ERANGE)?.to_ne_bytes();
        [a, b, c, d, 0, 0, 0, 0]
    };
    let control = ExtControl {
        id: control.id,
        value: bytes,
        ..ExtControl::default()
    };
    // SAFETY: as in `get_number`.
    unsafe { value_call(file, control, &S_EXT_CTRLS) }.map(drop)
}

fn number_is_wide(control: &Control) -> Result<bool> {
    if control.flags & ctrl::FLAG_HAS_PAYLOAD != 0 || control.kind == ctrl::STRING {
        return Err(Errno::EINVAL);
    }
    Ok(control.kind == ctrl::INTEGER64)
}

/// VIDIOC_G_EXT_CTRLS: the bytes of a control with a payload: a string with its NUL, or an array in machine
/// order.
///
/// # Errors
/// EINVAL for a control without a payload; EFBIG for one of absurd size.
pub fn get_bytes(file: &File, control: &Control) -> Result<Vec<u8>> {
    let mut bytes = vec![0; payload_bytes(control)?];
    payload_call(file, control, &mut bytes, &G_EXT_CTRLS)?;
    Ok(bytes)
}

/// VIDIOC_S_EXT_CTRLS of a control with a payload: a string with its NUL, or an array in machine order.
///
/// # Errors
/// EINVAL for a control without a payload; ERANGE or E2BIG for what the control can't hold.
pub fn set_bytes(file: &File, control: &Control, bytes: &[u8]) -> Result<()> {
    payload_bytes(control)?;
    // The kernel may write the value that was really set to the same place.
    payload_call(file, control, &mut bytes.to_vec(), &S_EXT_CTRLS)
}

/// G_EXT_CTRLS or S_EXT_CTRLS of a control whose value is in `bytes`.
fn payload_call(
    file: &File,
    control: &Control,
    bytes: &mut [u8],
    request: &Request<ExtControls>,
) -> Result<()> {
    let control = ExtControl {
        id: control.id,
        size: u32::try_from(bytes.len()).map_err(|_| Errno::E2BIG)?,
        value: address(bytes),
        reserved: 0,
    };
    // SAFETY: the address is of `size` bytes, lent to this call alone.
    unsafe { value_call(file, control, request) }.map(drop)
}

fn payload_bytes(control: &Control) -> Result<usize> {
    if number_is_wide(control).is_ok() {
        return Err(Errno::EINVAL);
    }
    let bytes = (control.elem_bytes as usize).saturating_mul(control.elems as usize);
    if bytes > CONTROL_BYTES_MAX {
        Err(Errno::EFBIG)
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_a_device() -> File {
        File::open("/dev/null").unwrap()
    }

    #[test]
    fn numbers_are_the_kernels() {
        // As strace and kernel logs print them; these do not depend on the machine.
        assert_eq!(QUERYMENU.0 as u32, 0xc02c_5625);
        assert_eq!(QUERY_EXT_CTRL.0 as u32, 0xc0e8_5667);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn numbers_are_the_kernels_on_64_bit() {
        assert_eq!(G_EXT_CTRLS.0 as u32, 0xc020_5647);
        assert_eq!(S_EXT_CTRLS.0 as u32, 0xc020_5648);
    }

    #[test]
    #[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
    fn numbers_are_the_kernels_on_32_bit() {
        assert_eq!(G_EXT_CTRLS.0 as u32, 0xc018_5647);
    }

    fn control(kind: u32, flags: u32, elem_bytes: u32, elems: u32) -> Control {
        let (name, dims) = (String::new(), Vec::new());
        Control {
            id: 1,
            kind,
            name,
            minimum: 0,
            maximum: 0,
            step: 1,
            default: 0,
            flags,
            elem_bytes,
            elems,
            dims,
        }
    }

    #[test]
    fn numbers_and_payloads_are_not_mixed_up() {
        let file = not_a_device();
        let array = control(ctrl::INTEGER, ctrl::FLAG_HAS_PAYLOAD, 4, 4);
        assert_eq!(get_number(&file, &array), Err(Errno::EINVAL));
        assert_eq!(set_number(&file, &array, 1), Err(Errno::EINVAL));
        assert_eq!(get_bytes(&file, &array), Err(Errno::ENOTTY));
        let number = control(ctrl::INTEGER, 0, 4, 1);
        assert_eq!(get_bytes(&file, &number), Err(Errno::EINVAL));
        assert_eq!(set_bytes(&file, &number, &[0; 4]), Err(Errno::EINVAL));
        assert_eq!(get_number(&file, &number), Err(Errno::ENOTTY));
        assert_eq!(set_number(&file, &number, i64::MAX), Err(Errno::ERANGE));
        let absurd = control(ctrl::U32, ctrl::FLAG_HAS_PAYLOAD, u32::MAX, u32::MAX);
        assert_eq!(get_bytes(&file, &absurd), Err(Errno::EFBIG));
    }
}
