//! The microphones of this machine in words, for `--probe`.

use super::cards::{Card, cards, resolve};
use super::microphone;
use crate::config::MicName;
use crate::error::Result;
use std::path::Path;

/// A microphone, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// As a config names it.
    pub name: String,
    /// Where its card is plugged in, as the driver of a camera in the same device says it; empty if that is nowhere.
    pub bus: String,
    /// What it is, what it offers and what it would capture in; or why it can't be used.
    pub lines: [String; 2],
}

/// The microphones that there are. Their devices are opened and asked; nothing is set on them.
pub fn listing() -> Vec<Listed> {
    list(&cards(), &microphone::offers)
}

fn list(cards: &[Card], offers: &dyn Fn(&Path) -> Result<String>) -> Vec<Listed> {
    let mut listed = Vec::new();
    for card in cards {
        for &device in &card.devices {
            let node = card.node(Some(device));
            let hw = MicName::Hw(card.id.clone(), (card.devices[0] != device).then_some(device));
            // A USB device is known by its numbers wherever it is, if there is but one of them.
            let usb = card.usb.clone().map(MicName::Usb);
            let usb = usb.filter(|name| resolve(name, cards).as_ref() == Ok(&node));
            listed.push(Listed {
                name: usb.as_ref().unwrap_or(&hw).to_string(),
                bus: card.bus.clone(),
                lines: [
                    format!("{}: microphone: {} ({hw})", node.display(), card.name),
                    match offers(&node) {
                        Ok(offers) => offers,
                        Err(e) => format!("{}: {}.", e.parts().tried, e.parts().why),
                    },
                ],
            });
        }
    }
    listed
}

/// The one that is taken for a camera at this place: that of the same device, or else the first that is in none of the
/// `cameras`.
pub fn beside<'a>(listed: &'a [Listed], bus: &str, cameras: &[&str]) -> Option<&'a Listed> {
    let own = listed.iter().find(|mic| mic.bus == bus && !bus.is_empty());
    own.or_else(|| listed.iter().find(|mic| !cameras.contains(&mic.bus.as_str())))
}

#[cfg(test)]
mod tests {
    use super::super::cards::tests::cards;
    use super::*;
    use crate::error::Error;

    fn listed() -> Vec<Listed> {
        list(&cards(), &|path| match path.to_str() {
            Some("/dev/snd/pcmC0D1c") => Err(Error::new(path.display(), "can't use it", "busy")),
            _ => Ok("48000 Hz.".into()),
        })
    }

    #[test]
    fn each_device_has_a_name_and_says_what_it_offers() {
        let listed = listed();
        let names: Vec<&str> = listed.iter().map(|mic| mic.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "hw:Loopback",
                "hw:Loopback,1",
                "usb:046d:082d:C920",
                "usb:046d:082d:C920_1"
            ]
        );
        assert_eq!(
            listed[1].lines,
            [
                "/dev/snd/pcmC0D1c: microphone: Loopback (hw:Loopback,1)",
                "can't use it: busy."
            ]
        );
        assert_eq!(
            listed[2].lines,
            [
                "/dev/snd/pcmC1D0c: microphone: HD Pro Webcam C920 (hw:C920)",
                "48000 Hz."
            ]
        );
        // Two that are alike in all their numbers are known by their cards.
        let mut alike = cards();
        for card in &mut alike[1..] {
            card.usb.as_mut().unwrap().serial = None;
        }
        let names = list(&alike, &|_| Ok(String::new()))
            .into_iter()
            .map(|mic| mic.name);
        assert_eq!(names.collect::<Vec<_>>()[2..], ["hw:C920", "hw:C920_1"]);
    }

    #[test]
    fn a_camera_has_its_own_microphone_or_one_that_is_in_no_camera() {
        let listed = listed();
        let name = |bus, cameras: &[&str]| beside(&listed, bus, cameras).map(|mic| mic.name.as_str());
        let [first, second] = ["usb-0000:01:00.0-1.2", "usb-0000:01:00.0-1.3"];
        assert_eq!(name(second, &[first, second]), Some("usb:046d:082d:C920_1"));
        assert_eq!(name("platform:unicam", &[first, second]), Some("hw:Loopback"));
        let of_cameras = &listed[2..];
        assert_eq!(beside(of_cameras, "platform:unicam", &[first, second]), None);
        assert_eq!(beside(&listed[..1], "", &[""]), None);
    }
}
