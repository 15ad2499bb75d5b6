//! The registers of the PCA9685 (NXP, 7.3), which makes pulses for 16 servos.

/// How it runs, ...
pub const MODE1: u8 = 0x00;
const MODE2: u8 = 0x01;
/// ... and how fast.
pub const PRESCALE: u8 = 0xfe;
/// 25 MHz / 4096 / 50 Hz - 1, rounded: a pulse each 20 ms.
const PRESCALE_50_HZ: u8 = 121;

const RESTART: u8 = 0x80;
const AUTO_INCREMENT: u8 = 0x20;
const SLEEP: u8 = 0x10;
const TOTEM_POLE: u8 = 0x04;

/// In the upper byte of OFF: no pulse at all.
const FULLY_OFF: u8 = 0x10;

/// What is written to start it, once it sleeps: the oscillator then needs half a millisecond, before [`GO`].
pub const SET_UP: [(u8, u8); 4] = [
    (MODE1, SLEEP),
    (PRESCALE, PRESCALE_50_HZ),
    (MODE2, TOTEM_POLE),
    (MODE1, AUTO_INCREMENT),
];
/// Has the pulses go on that were there before it slept.
pub const GO: (u8, u8) = (MODE1, AUTO_INCREMENT | RESTART);

/// True if it runs already as it is to, by these two registers.
pub fn runs(mode1: u8, prescale: u8) -> bool {
    mode1 & (SLEEP | AUTO_INCREMENT) == AUTO_INCREMENT && prescale == PRESCALE_50_HZ
}

/// The first of a channel's four registers.
fn channel_base(channel: u8) -> u8 {
    0x06 + 4 * channel
}

/// The registers of the end of a channel's pulse, the lower byte first.
pub fn off_registers(channel: u8) -> [u8; 2] {
    [2, 3].map(|at| channel_base(channel) + at)
}

/// A channel's first register, and what it and the three after it hold for a pulse of so many µs. They are written at once:
/// one after the other they would be a wrong pulse in between.
pub fn pulse(channel: u8, us: u16) -> (u8, [u8; 4]) {
    let steps = ((u32::from(us) * 4096 + 10_000) / 20_000) as u16;
    let [low, high] = steps.to_le_bytes();
    (channel_base(channel), [0, 0, low, high])
}

/// The same for no pulse: the servo goes limp.
pub fn release(channel: u8) -> (u8, [u8; 4]) {
    (channel_base(channel), [0, 0, 0, FULLY_OFF])
}

/// The pulse in µs by the two bytes of its end; None if there is none.
pub fn pulse_us([low, high]: [u8; 2]) -> Option<u16> {
    let steps = u32::from(u16::from_le_bytes([low, high & 0x0f]));
    (high & FULLY_OFF == 0).then_some(((steps * 20_000 + 2048) / 4096) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulses_are_steps_of_the_20_ms() {
        for (channel, us, registers) in [
            (0, 1500, (0x06, [0, 0, 0x33, 0x01])),
            (1, 575, (0x0a, [0, 0, 0x76, 0x00])),
            (1, 2325, (0x0a, [0, 0, 0xdc, 0x01])),
            (15, 400, (0x42, [0, 0, 0x52, 0x00])),
            (15, 2600, (0x42, [0, 0, 0x14, 0x02])),
        ] {
            assert_eq!(pulse(channel, us), registers, "{us}");
            let (_, [_, _, low, high]) = registers;
            let back = pulse_us([low, high]).unwrap();
            assert!(back.abs_diff(us) <= 3, "{us}: {back}");
        }
        assert_eq!(release(3), (0x12, [0, 0, 0, 0x10]));
        assert_eq!(off_registers(3), [0x14, 0x15]);
        assert_eq!(pulse_us([0, 0x10]), None);
    }

    #[test]
    fn one_that_runs_is_let_run() {
        // After power-on: asleep, at 200 Hz.
        assert!(!runs(0x11, 0x1e));
        assert!(!runs(0x30, 121));
        assert!(!runs(0x01, 121));
        assert!(runs(0x20, 121) && runs(0xa1, 121));
        // The prescaler is only taken while it sleeps.
        assert_eq!(SET_UP, [(0x00, 0x10), (0xfe, 0x79), (0x01, 0x04), (0x00, 0x20)]);
        assert_eq!(GO, (0x00, 0xa0));
    }
}
