//! The registers of Pimoroni's Pan-Tilt HAT, which makes the pulses for two servos.

/// Which servos are driven, and what the lights do.
pub const CONFIG: u8 = 0x00;
/// The bits of the two servos in it.
const DRIVEN: u8 = 0b11;

/// The register with the pulse of pan (0) or tilt (1), a word in µs. After a cold boot it may hold anything.
pub fn pulse(axis: usize) -> u8 {
    if axis == 0 { 0x01 } else { 0x03 }
}

/// The config with this servo driven. The other bits are somebody else's lights.
pub fn driving(config: u8, axis: usize) -> u8 {
    config | 1 << axis
}

/// The config with no servo driven.
pub fn released(config: u8) -> u8 {
    config & !DRIVEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bits_of_the_servos_change() {
        for (config, driven, released_after) in [
            (0x00, [0x01, 0x02], 0x00),
            (0x0c, [0x0d, 0x0e], 0x0c),
            (0xff, [0xff, 0xff], 0xfc),
        ] {
            assert_eq!([0, 1].map(|axis| driving(config, axis)), driven);
            assert_eq!(released(config), released_after);
        }
        assert_eq!([pulse(0), pulse(1)], [0x01, 0x03]);
    }
}
