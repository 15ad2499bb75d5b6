//! USB descriptors, as the kernel gives them in sysfs: where a camera's extension units are.

// bDescriptorType: table 9-5 of USB 2.0, and table A-4 of the Device Class Definition for Video Devices 1.1.
const INTERFACE: u8 = 0x04;
const CS_INTERFACE: u8 = 0x24;
/// bInterfaceClass and bInterfaceSubClass of a video control interface (tables ).
const VIDEO_CONTROL: [u8; 2] = [0x0e, 0x01];
/// bDescriptorSubtype VC_EXTENSION_UNIT (table A-5).
const EXTENSION_UNIT: u8 = 0x06;

/// guidExtensionCode as it stands in a descriptor: of a GUID's first three parts the lowest byte comes first.
pub type Guid = [u8; 16];

/// The bUnitID of the extension unit `guid` in the video control interface with that number. A device of several cameras
/// has an interface for each, and each of these numbers its units anew.
pub fn extension_unit(descriptors: &[u8], interface: u8, guid: &Guid) -> Option<u8> {
    let mut rest = descriptors;
    let mut inside = false;
    loop {
        // Each begins with bLength, which counts itself, and bDescriptorType (9.5 of USB 2.0).
        let (descriptor, after) = rest.split_at_checked((*rest.first()?).into())?;
        match *descriptor {
            [] | [_] => return None,
            // Table 9-12: bInterfaceNumber, bAlternateSetting, bNumEndpoints, bInterfaceClass, bInterfaceSubClass.
            [_, INTERFACE, number, _, _, class, subclass, ..] => {
                inside = number == interface && [class, subclass] == VIDEO_CONTROL;
            }
            // Table 3-7: bUnitID, guidExtensionCode.
            [_, CS_INTERFACE, EXTENSION_UNIT, unit, ref code @ ..] if inside && code.starts_with(guid) => {
                return Some(unit);
            }
            _ => {}
        }
        rest = after;
    }
}

/// Laws that hold for any bytes; for fuzz targets and tests.
pub mod laws {
    use super::{CS_INTERFACE, EXTENSION_UNIT, extension_unit};

    /// What is found is there, byte for byte; and what comes behind it, or is cut off there, changes nothing.
    pub fn descriptors(data: &[u8]) {
        let Some((guid, descriptors)) = data.split_first_chunk() else {
            return;
        };
        for interface in 0..4 {
            let found = extension_unit(descriptors, interface, guid);
            let Some(unit) = found else { continue };
            let bytes = [&[CS_INTERFACE, EXTENSION_UNIT, unit], &guid[..]].concat();
            let place = |window: &[u8]| window == bytes;
            assert!(descriptors.windows(bytes.len()).any(place));
            let longer = [descriptors, data].concat();
            assert_eq!(extension_unit(&longer, interface, guid), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: Guid = *b"0123456789abcdef";
    const OTHER: Guid = *b"fedcba9876543210";

    fn interface(number: u8, class: u8, subclass: u8) -> Vec<u8> {
        vec![9, INTERFACE, number, 0, 1, class, subclass, 0, 0]
    }

    /// With one input pin and two bytes of controls.
    fn unit(id: u8, guid: &Guid) -> Vec<u8> {
        let mut bytes = vec![27, CS_INTERFACE, EXTENSION_UNIT, id];
        bytes.extend(guid);
        bytes.extend([10, 1, 3, 2, 0xff, 0x03, 0]);
        bytes
    }

    #[test]
    fn units_are_those_of_their_interface() {
        let device = [18, 1, 0, 2, 0xef, 2, 1, 64, 0x6d, 4, 0x2d, 8, 0x11, 0, 0, 2, 1, 1];
        let configuration = [9, 2, 0, 0, 3, 1, 0, 0x80, 250];
        let bytes = [
            &device[..],
            &configuration,
            &interface(0, 0x0e, 1),
            &unit(3, &OTHER),
            // A text that looks like one.
            &[4, 0x24, 0x01, 0x06],
            &unit(12, &GUID),
            &interface(1, 0x0e, 2),
            &unit(13, &OTHER),
            &interface(2, 0x0e, 1),
            &unit(4, &GUID),
            &interface(3, 0x01, 1),
            &unit(5, &GUID),
        ]
        .concat();
        let found = |interface: u8, guid: &Guid| extension_unit(&bytes, interface, guid);
        assert_eq!((found(0, &GUID), found(0, &OTHER)), (Some(12), Some(3)));
        assert_eq!((found(2, &GUID), found(2, &OTHER)), (Some(4), None));
        assert_eq!(
            (found(1, &OTHER), found(3, &GUID), found(7, &GUID)),
            (None, None, None)
        );
    }

    #[test]
    fn damaged_descriptors_have_no_unit() {
        let whole = [interface(0, 0x0e, 1), unit(12, &GUID)].concat();
        for length in 0..whole.len() {
            assert_eq!(extension_unit(&whole[..length], 0, &GUID), None, "{length}");
        }
        for wrong in [&[0][..], &[1, 2], &[255, 4]] {
            assert_eq!(extension_unit(&[wrong, &whole].concat(), 0, &GUID), None);
        }
        let short = [&[5, CS_INTERFACE, EXTENSION_UNIT, 12, GUID[0]], &GUID[1..]].concat();
        assert_eq!(
            extension_unit(&[interface(0, 0x0e, 1), short].concat(), 0, &GUID),
            None
        );
    }
}
