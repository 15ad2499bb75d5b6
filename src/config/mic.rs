//! How a camera's section names the microphone beside it.

use super::device::UsbId;
use std::fmt;

/// A microphone as people name it; it is looked up at each opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MicName {
    /// A sound card by its number or its short name (ALSA's id), and which of its devices; None: its first that captures.
    Hw(String, Option<u32>),
    /// That of a USB device, wherever it is plugged in: `usb:046d:082d`.
    Usb(UsbId),
    /// A sound card by its long name: `card:HD Pro Webcam C920`.
    Card(String),
    /// A beep each second, which begins with the test picture's second.
    Test,
}

impl MicName {
    /// Reads a name; None if it is none.
    pub fn parse(text: &str) -> Option<MicName> {
        let name = match text.split_once(':') {
            Some(("hw", hw)) => match hw.split_once(',') {
                Some((card, device)) => MicName::Hw(card.trim().into(), Some(device.trim().parse().ok()?)),
                None => MicName::Hw(hw.trim().into(), None),
            },
            Some(("usb", id)) => return UsbId::parse(id).map(MicName::Usb),
            Some(("card", card)) => MicName::Card(card.trim().into()),
            _ if text == "test" => MicName::Test,
            _ => return None,
        };
        match &name {
            MicName::Hw(card, _) | MicName::Card(card) if card.is_empty() => None,
            _ => Some(name),
        }
    }
}

impl fmt::Display for MicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MicName::Hw(card, None) => write!(f, "hw:{card}"),
            MicName::Hw(card, Some(device)) => write!(f, "hw:{card},{device}"),
            MicName::Usb(id) => id.fmt(f),
            MicName::Card(card) => write!(f, "card:{card}"),
            MicName::Test => f.write_str("test"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown() {
        for (text, shown) in [
            ("hw:1", "hw:1"),
            ("hw: Device , 2", "hw:Device,2"),
            ("usb:046D:082d", "usb:046d:082d"),
            ("card: HD Pro: C920 ", "card:HD Pro: C920"),
            ("test", "test"),
        ] {
            assert_eq!(MicName::parse(text).unwrap().to_string(), shown);
        }
        for bad in [
            "", "hw:", "hw:,1", "hw:1,", "hw:1,x", "usb:1:2", "card:", "plughw:1", "default",
        ] {
            assert!(MicName::parse(bad).is_none(), "{bad}");
        }
    }
}
