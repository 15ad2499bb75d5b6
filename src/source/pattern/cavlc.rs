//! Transform coefficient levels as bits: CAVLC, clause 9.2 of Rec. ITU-T H.264 (from the encoder's side).

use crate::format::bits::BitWriter;

/// One codeword: its length, and its bits as a number.
#[derive(Clone, Copy)]
struct Code {
    bits: u32,
    value: u32,
}

/// A row of a table as the standard prints it: codewords in binary, one space between.
const fn row<const N: usize>(text: &str) -> [Code; N] {
    let text = text.as_bytes();
    let mut codes = [Code { bits: 0, value: 0 }; N];
    let (mut at, mut i) = (0, 0);
    while i < text.len() {
        if text[i] == b' ' {
            at += 1;
        } else {
            codes[at].bits += 1;
            codes[at].value = codes[at].value << 1 | (text[i] - b'0') as u32;
        }
        i += 1;
    }
    codes
}

/// Table 9-5 for 0 <= nC < 2, 2 <= nC < 4 and 4 <= nC < 8: a row for each TotalCoeff, in it a column for each
/// TrailingOnes. (For 8 <= nC the code has six bits and a rule.)
const COEFF_TOKEN: [[[Code; 4]; 17]; 3] = [
    [
        row("1"),
        row("000101 01"),
        row("00000111 000100 001"),
        row("000000111 00000110 0000101 00011"),
        row("0000000111 000000110 00000101 000011"),
        row("00000000111 0000000110 000000101 0000100"),
        row("0000000001111 00000000110 0000000101 00000100"),
        row("0000000001011 0000000001110 00000000101 000000100"),
        row("0000000001000 0000000001010 0000000001101 0000000100"),
        row("00000000001111 00000000001110 0000000001001 00000000100"),
        row("00000000001011 00000000001010 00000000001101 0000000001100"),
        row("000000000001111 000000000001110 00000000001001 00000000001100"),
        row("000000000001011 000000000001010 000000000001101 00000000001000"),
        row("0000000000001111 000000000000001 000000000001001 000000000001100"),
        row("0000000000001011 0000000000001110 0000000000001101 000000000001000"),
        row("0000000000000111 0000000000001010 0000000000001001 0000000000001100"),
        row("0000000000000100 0000000000000110 0000000000000101 0000000000001000"),
    ],
    [
        row("11"),
        row("001011 10"),
        row("000111 00111 011"),
        row("0000111 001010 001001 0101"),
        row("00000111 000110 000101 0100"),
        row("00000100 0000110 0000101 00110"),
        row("000000111 00000110 00000101 001000"),
        row("00000001111 000000110 000000101 000100"),
        row("00000001011 00000001110 00000001101 0000100"),
        row("000000001111 00000001010 00000001001 000000100"),
        row("000000001011 000000001110 000000001101 00000001100"),
        row("000000001000 000000001010 000000001001 00000001000"),
        row("0000000001111 0000000001110 0000000001101 000000001100"),
        row("0000000001011 0000000001010 0000000001001 0000000001100"),
        row("0000000000111 00000000001011 0000000000110 0000000001000"),
        row("00000000001001 00000000001000 00000000001010 0000000000001"),
        row("00000000000111 00000000000110 00000000000101 00000000000100"),
    ],
    [
        row("1111"),
        row("001111 1110"),
        row("001011 01111 1101"),
        row("001000 01100 01110 1100"),
        row("0001111 01010 01011 1011"),
        row("0001011 01000 01001 1010"),
        row("0001001 001110 001101 1001"),
        row("0001000 001010 001001 1000"),
        row("00001111 0001110 0001101 01101"),
        row("00001011 00001110 0001010 001100"),
        row("000001111 00001010 00001101 0001100"),
        row("000001011 000001110 00001001 00001100"),
        row("000001000 000001010 000001101 00001000"),
        row("0000001101 000000111 000001001 000001100"),
        row("0000001001 0000001100 0000001011 0000001010"),
        row("0000000101 0000001000 0000000111 0000000110"),
        row("0000000001 0000000100 0000000011 0000000010"),
    ],
];

/// Table 9-5 for nC = -1, chroma DC.
const COEFF_TOKEN_CHROMA_DC: [[Code; 4]; 5] = [
    row("01"),
    row("000111 1"),
    row("000100 000110 001"),
    row("000011 0000011 0000010 000101"),
    row("000010 00000011 00000010 0000000"),
];

/// Tables 9-7 and 9-8: a row for each number of levels (tzVlcIndex) from 1, a column for each total_zeros.
const TOTAL_ZEROS: [[Code; 16]; 15] = [
    row(
        "1 011 010 0011 0010 00011 00010 000011 000010 0000011 0000010 00000011 \
         00000010 000000011 000000010 000000001",
    ),
    row("111 110 101 100 011 0101 0100 0011 0010 00011 00010 000011 000010 000001 000000"),
    row("0101 111 110 101 0100 0011 100 011 0010 00011 00010 000001 00001 000000"),
    row("00011 111 0101 0100 110 101 100 0011 011 0010 00010 00001 00000"),
    row("0101 0100 0011 111 110 101 100 011 0010 00001 0001 00000"),
    row("000001 00001 111 110 101 100 011 010 0001 001 000000"),
    row("000001 00001 101 100 011 11 010 0001 001 000000"),
    row("000001 0001 00001 011 11 10 010 001 000000"),
    row("000001 000000 0001 11 10 001 01 00001"),
    row("00001 00000 001 11 10 01 0001"),
    row("0000 0001 001 010 1 011"),
    row("0000 0001 01 1 001"),
    row("000 001 1 01"),
    row("00 01 1"),
    row("0 1"),
];

/// Table 9-9 (a): the same for chroma DC.
const TOTAL_ZEROS_CHROMA_DC: [[Code; 4]; 3] = [row("1 01 001 000"), row("1 01 00"), row("1 0")];

/// Table 9-10: a row for each zerosLeft from 1 (the last: all above 6), a column for each run_before.
const RUN_BEFORE: [[Code; 15]; 7] = [
    row("1 0"),
    row("1 01 00"),
    row("11 10 01 00"),
    row("11 10 01 001 000"),
    row("11 10 011 010 001 000"),
    row("11 000 001 011 010 101 100"),
    row("111 110 101 100 011 010 001 0001 00001 000001 0000001 00000001 000000001 0000000001 00000000001"),
];

/// The choice of the table for coeff_token (clause 9.2.1).
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Context {
    /// nC: the mean number of levels in the blocks to the left and above.
    Neighbours(u8),
    /// nC = -1.
    ChromaDc,
}

/// Writes residual_block_cavlc (clause 7.3.5.3.2) for all of `levels`, which are in scan order and whose
/// number is maxNumCoeff; gives TotalCoeff. A level is within -2063..=2063, what level_prefix 15 can say
/// (9.2.2.1); Baseline allows no more (A.2.1).
pub(super) fn residual_block(writer: &mut BitWriter, levels: &[i32], context: Context) -> u8 {
    // From the highest frequency down: each level, and how many zeros stand below it.
    let mut found = [(0i32, 0usize); 16];
    let mut total = 0;
    let mut total_zeros = 0;
    let mut zeros = 0;
    for &level in levels {
        if level == 0 {
            zeros += 1;
        } else {
            found[total] = (level, zeros);
            total += 1;
            total_zeros += zeros;
            zeros = 0;
        }
    }
    let found = &mut found[..total];
    found.reverse();
    let ones = found
        .iter()
        .take(3)
        .take_while(|(level, _)| level.abs() == 1)
        .count();

    put(writer, coeff_token(context, total, ones));
    if total == 0 {
        return 0;
    }
    for &(level, _) in &found[..ones] {
        writer.flag(level < 0);
    }
    put_levels(writer, &found[ones..], total, ones);
    if total < levels.len() {
        put(
            writer,
            match context {
                Context::ChromaDc => TOTAL_ZEROS_CHROMA_DC[total - 1][total_zeros],
                Context::Neighbours(_) => TOTAL_ZEROS[total - 1][total_zeros],
            },
        );
    }
    let mut zeros_left = total_zeros;
    for &(_, run) in &found[..total - 1] {
        if zeros_left == 0 {
            break;
        }
        put(writer, RUN_BEFORE[zeros_left.min(7) - 1][run]);
        zeros_left -= run;
    }
    total as u8
}

fn put(writer: &mut BitWriter, code: Code) {
    writer.u(code.bits, code.value);
}

/// Table 9-5.
fn coeff_token(context: Context, total: usize, ones: usize) -> Code {
    match context {
        Context::ChromaDc => COEFF_TOKEN_CHROMA_DC[total][ones],
        Context::Neighbours(0..2) => COEFF_TOKEN[0][total][ones],
        Context::Neighbours(2..4) => COEFF_TOKEN[1][total][ones],
        Context::Neighbours(4..8) => COEFF_TOKEN[2][total][ones],
        Context::Neighbours(8..) => {
            let value = if total == 0 { 3 } else { (total - 1) << 2 | ones };
            Code {
                bits: 6,
                value: value as u32,
            }
        }
    }
}

/// level_prefix and level_suffix of all levels but the trailing ones: the parsing of 9.2.2.1 turned round.
fn put_levels(writer: &mut BitWriter, levels: &[(i32, usize)], total: usize, ones: usize) {
    let mut suffix_length = u32::from(total > 10 && ones < 3);
    for (i, &(level, _)) in levels.iter().enumerate() {
        let magnitude = level.unsigned_abs();
        let mut code = 2 * magnitude - 2 + u32::from(level < 0);
        if i == 0 && ones < 3 {
            // It can't be +-1, or it were a trailing one.
            code -= 2;
        }
        let (prefix, suffix_bits, suffix) = match (suffix_length, code) {
            (0, 0..14) => (code, 0, 0),
            (0, 14..30) => (14, 4, code - 14),
            (0, 30..) => (15, 12, code - 30),
            (bits, _) if code < 15 << bits => (code >> bits, bits, code & ((1 << bits) - 1)),
            (bits, _) => (15, 12, code - (15 << bits)),
        };
        writer.u(prefix, 0);
        writer.flag(true);
        writer.u(suffix_bits, suffix);
        suffix_length = suffix_length.max(1);
        if magnitude > 3 << (suffix_length - 1) && suffix_length < 6 {
            suffix_length += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits of a residual block as text.
    fn coded(levels: &[i32], context: Context) -> String {
        let mut writer = BitWriter::new();
        residual_block(&mut writer, levels, context);
        writer.trailing_bits();
        let bits: String = writer
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:08b}"))
            .collect();
        bits.trim_end_matches('0').strip_suffix('1').unwrap().to_owned()
    }

    fn block(start: &[i32]) -> [i32; 16] {
        std::array::from_fn(|i| start.get(i).copied().unwrap_or(0))
    }

    /// Bits with spaces between the codes.
    fn bits(codes: &str) -> String {
        codes.replace(' ', "")
    }

    #[test]
    fn blocks_worked_out_by_hand() {
        let nc = Context::Neighbours;
        assert_eq!(coded(&block(&[]), nc(0)), "1");
        assert_eq!(coded(&block(&[]), nc(16)), "000011");
        // coeff_token 5/3, signs, levels 1 and 3, total_zeros 3, runs 1, 0, 0, 1.
        let levels = block(&[0, 3, 0, 1, -1, -1, 0, 1]);
        assert_eq!(coded(&levels, nc(0)), bits("0000100 011 1 0010 111 10 1 1 01"));
        // coeff_token 5/1, a sign, levels -3, 3, 4, -2, total_zeros 2, run 2; with each kind of neighbours.
        let levels = block(&[-2, 4, 3, -3, 0, 0, -1]);
        let rest = "1 0001 0010 00010 111 0011 00";
        assert_eq!(coded(&levels, nc(1)), bits(&format!("0000000110 {rest}")));
        assert_eq!(coded(&levels, nc(2)), bits(&format!("0000110 {rest}")));
        assert_eq!(coded(&levels, nc(7)), bits(&format!("01000 {rest}")));
        assert_eq!(coded(&levels, nc(8)), bits(&format!("010001 {rest}")));
        // All sixteen: no total_zeros.
        assert_eq!(
            coded(&[1; 16], nc(9)),
            bits(&format!("111111 000 1 {}", "10".repeat(12)))
        );
        // Chroma DC: coeff_token 2/2, signs, total_zeros 2, run 1.
        assert_eq!(coded(&[0, 1, 0, -1], Context::ChromaDc), bits("001 1 0 00 01"));
    }

    #[test]
    fn levels_at_the_edges_of_their_codes() {
        let zeros = |n: usize| "0".repeat(n);
        // One level that can't be a trailing one: the first has suffixLength 0.
        for (level, code) in [
            (2, "1".to_owned()),
            (-2, "01".to_owned()),
            (8, format!("{}1", zeros(12))),
            (-8, format!("{}1", zeros(13))),
            (9, format!("{}10000", zeros(14))),
            (-16, format!("{}11111", zeros(14))),
            (17, format!("{}1{}", zeros(15), zeros(12))),
            (-2063, format!("{}1{:012b}", zeros(15), 4093)),
            (2063, format!("{}1{:012b}", zeros(15), 4092)),
        ] {
            assert_eq!(
                coded(&block(&[level]), Context::Neighbours(0)),
                format!("000101{code}1"),
                "{level}"
            );
        }
        // The second level after a large one has suffixLength 2: 2^2 * 15 codes without the escape.
        for (level, code) in [
            (30, format!("{}110", zeros(14))),
            (-30, format!("{}111", zeros(14))),
            (31, format!("{}1{}", zeros(15), zeros(12))),
        ] {
            let start = format!("00000111{}1", zeros(12));
            assert_eq!(
                coded(&block(&[level, 8]), Context::Neighbours(0)),
                format!("{start}{code}111"),
                "{level}"
            );
        }
    }

    /// No code begins another, and there is no room for one more but for a few zeros that the standard leaves
    /// free.
    fn is_complete(codes: &[Code]) -> bool {
        let codes: Vec<_> = codes.iter().filter(|code| code.bits > 0).collect();
        let begins = |a: &Code, b: &Code| a.bits <= b.bits && b.value >> (b.bits - a.bits) == a.value;
        let longest = codes.iter().map(|code| code.bits).max().unwrap();
        let covered: u32 = codes.iter().map(|code| 1 << (longest - code.bits)).sum();
        codes
            .iter()
            .enumerate()
            .all(|(i, a)| codes.iter().enumerate().all(|(j, b)| i == j || !begins(a, b)))
            && 1 << longest <= covered + 2
    }

    #[test]
    fn tables_are_complete_codes() {
        for table in COEFF_TOKEN {
            let codes = table.as_flattened();
            assert_eq!(
                codes.iter().filter(|code| code.bits > 0).count(),
                1 + 2 + 3 + 14 * 4
            );
            assert!(is_complete(codes));
        }
        assert!(is_complete(COEFF_TOKEN_CHROMA_DC.as_flattened()));
        for (i, codes) in TOTAL_ZEROS.iter().enumerate() {
            assert_eq!(codes.iter().filter(|code| code.bits > 0).count(), 16 - i);
            assert!(is_complete(codes), "{i}");
        }
        for (i, codes) in TOTAL_ZEROS_CHROMA_DC.iter().enumerate() {
            assert_eq!(codes.iter().filter(|code| code.bits > 0).count(), 4 - i);
            assert!(is_complete(codes), "{i}");
        }
        for (i, codes) in RUN_BEFORE.iter().enumerate() {
            assert_eq!(
                codes.iter().filter(|code| code.bits > 0).count(),
                if i < 6 { i + 2 } else { 15 }
            );
            assert!(is_complete(codes), "{i}");
        }
    }
}
