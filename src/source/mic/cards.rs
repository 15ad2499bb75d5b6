//! The sound cards of this machine that capture, and which of them a name means.

use crate::config::{MicName, UsbId};
use crate::error::{Error, Result};
use crate::source::lookup::usb_id;
use crate::sys::file::entries;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder in which the kernel shows what each card belongs to (sysfs).
const CLASS: &str = "/sys/class/sound";

/// A sound card that captures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    number: u32,
    /// Its short name, without blanks, which stays the same for a card.
    pub id: String,
    /// Its long name.
    pub name: String,
    /// The USB device that it is, or is a part of.
    pub usb: Option<UsbId>,
    /// Where that is plugged in: "usb-0000:01:00.0-1.2", which is what V4L2 has for bus_info; empty for others.
    pub bus: String,
    /// The numbers of its devices that capture; one at least.
    pub devices: Vec<u32>,
}

impl Card {
    /// The node of a device of it; None: the first one's.
    pub fn node(&self, device: Option<u32>) -> PathBuf {
        let device = device.unwrap_or_else(|| self.devices.first().copied().unwrap_or(0));
        format!("/dev/snd/pcmC{}D{device}c", self.number).into()
    }

    fn is(&self, name: &MicName) -> bool {
        match name {
            MicName::Hw(card, _) => *card == self.id || card.parse() == Ok(self.number),
            MicName::Usb(id) => self.usb.as_ref().is_some_and(|found| id.means(found)),
            MicName::Card(name) => *name == self.name,
            MicName::Test => false,
        }
    }
}

/// The sound cards that capture, in the order of their numbers.
pub fn cards() -> Vec<Card> {
    let mut cards = read(&fs::read_to_string("/proc/asound/cards").unwrap_or_default());
    for path in entries(Path::new("/dev/snd")) {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some((number, device)) = name.and_then(capture_device) else {
            continue;
        };
        for card in &mut cards {
            if card.number == number {
                card.devices.push(device);
                card.devices.sort_unstable();
            }
        }
    }
    cards.retain(|card| !card.devices.is_empty());
    for card in &mut cards {
        card.usb = usb_id(Path::new(CLASS), Path::new(&format!("card{}", card.number)));
    }
    cards
}

/// The numbers of card and device of `pcmC1D0c`, one that captures.
fn capture_device(name: &str) -> Option<(u32, u32)> {
    let numbers = name.strip_prefix("pcmC")?.strip_suffix('c')?;
    let (card, device) = numbers.split_once('D')?;
    Some((card.parse().ok()?, device.parse().ok()?))
}

/// Reads /proc/asound/cards: of each card a line with number, short name in brackets, driver and long name, and another one,
/// with the place of a USB device.
fn read(text: &str) -> Vec<Card> {
    let card = |line: &str| {
        let (head, names) = line.split_once("]:")?;
        let (number, id) = head.split_once('[')?;
        let (_, name) = names.split_once(" - ")?;
        Some(Card {
            number: number.trim().parse().ok()?,
            id: id.trim().to_owned(),
            // The device's own text: control characters could play tricks on a terminal.
            name: name.trim().chars().filter(|c| !c.is_control()).collect(),
            usb: None,
            bus: String::new(),
            devices: Vec::new(),
        })
    };
    let mut cards: Vec<Card> = Vec::new();
    for line in text.lines() {
        let place = line
            .rsplit_once(" at usb-")
            .and_then(|(_, at)| at.split(',').next());
        match (card(line), cards.last_mut(), place) {
            (Some(card), ..) => cards.push(card),
            (None, Some(card), Some(place)) => card.bus = ["usb-", place].concat(),
            _ => {}
        }
    }
    cards
}

/// The node of the microphone that a name means at this moment.
///
/// # Errors
/// There is no such microphone (the error is one of absence), or there are several.
pub fn find(name: &MicName) -> Result<PathBuf> {
    resolve(name, &cards())
}

pub(super) fn resolve(name: &MicName, cards: &[Card]) -> Result<PathBuf> {
    let words = |card: &Card| format!("card:{} (hw:{})", card.name, card.id);
    let list = |cards: &mut dyn Iterator<Item = &Card>| cards.map(words).collect::<Vec<_>>().join(", ");
    let device = match name {
        MicName::Hw(_, device) => *device,
        _ => None,
    };
    let has = |card: &&Card| device.is_none_or(|device| card.devices.contains(&device));
    let named: Vec<&Card> = cards.iter().filter(|card| card.is(name)).filter(has).collect();
    match named.as_slice() {
        [card] => Ok(card.node(device)),
        [] => {
            let others = match list(&mut cards.iter()) {
                none if none.is_empty() => "there is none at all".into(),
                others => format!("there is {others}"),
            };
            let why = format!("{others}; waiting for it");
            Err(Error::new(name, "no such microphone", why).absent(true))
        }
        several => {
            let list = list(&mut several.iter().copied());
            let why = format!("several match: {list}; name one by hw:");
            Err(Error::new(name, "can't choose a microphone", why))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const CARDS: &str = " 0 [Loopback       ]: Loopback - Loopback
                      Loopback 1
 1 [C920           ]: USB-Audio - HD Pro Webcam C920
                      HD Pro Webcam C920 at usb-0000:01:00.0-1.2, high speed
10 [C920_1         ]: USB-Audio - HD Pro Webcam C920
                      HD Pro Webcam C920 at usb-0000:01:00.0-1.3, high speed
";

    pub fn cards() -> Vec<Card> {
        let mut cards = read(CARDS);
        for (card, devices) in cards.iter_mut().zip([vec![0, 1], vec![0], vec![2]]) {
            card.devices = devices;
            card.usb = (card.number > 0).then(|| UsbId {
                vendor: 0x046d,
                product: 0x082d,
                serial: Some(card.id.clone()),
            });
        }
        cards
    }

    #[test]
    fn the_kernels_list_is_read() {
        let cards: Vec<_> = read(CARDS)
            .into_iter()
            .map(|c| (c.number, c.id, c.name))
            .collect();
        let camera = "HD Pro Webcam C920";
        let wanted = [
            (0, "Loopback", "Loopback"),
            (1, "C920", camera),
            (10, "C920_1", camera),
        ];
        assert_eq!(
            cards,
            wanted.map(|(number, id, name)| (number, id.into(), name.into()))
        );
        assert_eq!(read("--- no soundcards ---\n"), []);
        let places: Vec<_> = read(CARDS).into_iter().map(|c| c.bus).collect();
        assert_eq!(places, ["", "usb-0000:01:00.0-1.2", "usb-0000:01:00.0-1.3"]);
        assert_eq!(capture_device("pcmC10D2c"), Some((10, 2)));
        for other in ["pcmC10D2p", "controlC1", "pcmCxD0c", "timer"] {
            assert_eq!(capture_device(other), None);
        }
    }

    #[test]
    fn each_name_finds_its_device() {
        for (name, path) in [
            ("hw:Loopback", "/dev/snd/pcmC0D0c"),
            ("hw:0,1", "/dev/snd/pcmC0D1c"),
            ("hw:C920_1", "/dev/snd/pcmC10D2c"),
            ("hw:1", "/dev/snd/pcmC1D0c"),
            ("card:Loopback", "/dev/snd/pcmC0D0c"),
            ("usb:046d:082d:C920_1", "/dev/snd/pcmC10D2c"),
        ] {
            let found = resolve(&MicName::parse(name).unwrap(), &cards());
            assert_eq!(found, Ok(path.into()), "{name}");
        }
    }

    #[test]
    fn what_is_not_there_or_not_one_says_so() {
        let error = |name: &str, cards: &[Card]| resolve(&MicName::parse(name).unwrap(), cards).unwrap_err();
        let absent = error("hw:0,2", &cards()[..1]);
        assert!(absent.is_absent());
        assert_eq!(
            absent.to_string(),
            "hw:0,2: no such microphone: there is card:Loopback (hw:Loopback); waiting for it"
        );
        assert_eq!(
            error("usb:1234:5678", &[]).to_string(),
            "usb:1234:5678: no such microphone: there is none at all; waiting for it"
        );
        let several = error("usb:046d:082d", &cards());
        assert!(!several.is_absent());
        assert!(
            several
                .to_string()
                .contains("(hw:C920), card:HD Pro Webcam C920 (hw:C920_1)")
        );
    }
}
