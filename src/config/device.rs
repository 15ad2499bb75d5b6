//! How a section, or the command line, names a V4L2 device.

use std::fmt;
use std::path::PathBuf;

/// A V4L2 device as people name it. Only a path says where it is; the others are looked up at each opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// The device node or a symlink to it: `/dev/video0`.
    Path(PathBuf),
    /// A USB camera, wherever it is plugged in: `usb:046d:082d`.
    Usb(UsbId),
    /// A camera by the name that its driver gives it: `card:HD Pro Webcam C920`.
    Card(String),
}

/// A USB device's numbers, as in its device descriptor (USB 2.0, 9.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbId {
    /// idVendor
    pub vendor: u16,
    /// idProduct
    pub product: u16,
    /// iSerialNumber's text. None: it has none, or any will do.
    pub serial: Option<String>,
}

impl DeviceName {
    /// Reads a name of one of the three forms; None if it has none of them. The error says how it is written.
    pub fn parse(text: &str) -> Option<Result<DeviceName, &'static str>> {
        if text.starts_with('/') {
            return Some(Ok(DeviceName::Path(text.into())));
        }
        if let Some(id) = text.strip_prefix("usb:") {
            return Some(UsbId::parse(id).map(DeviceName::Usb).ok_or(
                "a USB camera is usb:VID:PID or usb:VID:PID:SERIAL, with four hexadecimal digits each, such \
                 as usb:046d:082d; \"fmp4streamer -L\" lists them",
            ));
        }
        let card = text.strip_prefix("card:")?.trim();
        Some(match card {
            "" => {
                Err("a camera's name follows, as in card:HD Pro Webcam C920; \"fmp4streamer -L\" lists them")
            }
            card => Ok(DeviceName::Card(card.to_owned())),
        })
    }
}

impl UsbId {
    /// Reads `VID:PID` or `VID:PID:SERIAL`; a serial number may have colons of its own.
    pub(super) fn parse(text: &str) -> Option<UsbId> {
        let mut parts = text.splitn(3, ':');
        let mut id = || {
            let digits = parts.next()?;
            let good = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            u16::from_str_radix(digits, 16).ok().filter(|_| good)
        };
        let (vendor, product) = (id()?, id()?);
        let serial = parts.next().map(|serial| serial.trim().to_owned());
        let good = serial.as_ref().is_none_or(|serial| !serial.is_empty());
        good.then_some(UsbId {
            vendor,
            product,
            serial,
        })
    }

    /// True if this, as somebody wrote it, means the device whose own numbers are `found`.
    pub fn means(&self, found: &UsbId) -> bool {
        let ids = |id: &UsbId| (id.vendor, id.product);
        ids(self) == ids(found) && (self.serial.is_none() || self.serial == found.serial)
    }
}

impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "usb:{:04x}:{:04x}", self.vendor, self.product)?;
        self.serial
            .as_ref()
            .map_or(Ok(()), |serial| write!(f, ":{serial}"))
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Path(path) => path.display().fmt(f),
            DeviceName::Usb(id) => id.fmt(f),
            DeviceName::Card(card) => write!(f, "card:{card}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown() {
        for (text, shown) in [
            ("/dev/video0", "/dev/video0"),
            ("usb:046D:082d", "usb:046d:082d"),
            ("usb:046d:082d:A1:B2 c", "usb:046d:082d:A1:B2 c"),
            ("card: HD Pro Webcam C920 ", "card:HD Pro Webcam C920"),
        ] {
            assert_eq!(DeviceName::parse(text).unwrap().unwrap().to_string(), shown);
        }
        for bad in [
            "usb:",
            "usb:046d",
            "usb:46d:82d",
            "usb:046d:082d:",
            "usb:+46d:082d",
            "usb:046d:082g",
            "card:",
        ] {
            assert!(DeviceName::parse(bad).unwrap().is_err(), "{bad}");
        }
        for other in ["video0", "exec /dev/video0", "USB:046d:082d", ""] {
            assert_eq!(DeviceName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_serial_number_is_only_compared_where_one_is_written() {
        let id = |text: &str| UsbId::parse(text).unwrap();
        let found = id("046d:082d:A1");
        assert!(id("046d:082d").means(&found) && id("046d:082d:A1").means(&found));
        for other in ["046d:082d:a1", "046d:082d:A", "046d:082e", "046e:082d:A1"] {
            assert!(!id(other).means(&found), "{other}");
        }
        assert!(!found.means(&id("046d:082d")), "a device without one");
    }
}
