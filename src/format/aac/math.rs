//! Logarithm and power to the base 2, to about six digits: all that psychoacoustics need, in a few instructions.

/// log2 of a positive number.
pub fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    // x is mantissa·2^exponent, the mantissa about between √½ and √2.
    let exponent = (bits as i32 - 0x3f35_0000) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32));
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    exponent as f32 + t * (2.885_39 + square * (0.961_797 + square * 0.577_078))
}

/// 2 to the power of `x`, which is cut to what a number can hold.
pub fn exp2(x: f32) -> f32 {
    let x = x.clamp(-120.0, 120.0);
    let whole = (x + 128.5) as i32 - 128;
    let t = (x - whole as f32) * std::f32::consts::LN_2;
    let series = 1.0 + t * (1.0 + t * (0.5 + t * (1.0 / 6.0 + t * (1.0 / 24.0 + t / 120.0))));
    series * f32::from_bits(((whole + 127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_close_enough() {
        for i in -1150..1150 {
            let x = i as f32 / 10.0;
            let wanted = f64::from(x).exp2();
            assert!((f64::from(exp2(x)) / wanted - 1.0).abs() < 1e-5, "{x}");
            assert!(
                (log2(wanted as f32) - x).abs() < 1e-5,
                "{x}: {}",
                log2(wanted as f32)
            );
        }
        assert!(exp2(1e9) > 1e36 && exp2(-1e9) < 1e-36);
    }
}
