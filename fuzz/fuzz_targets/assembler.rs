#![no_main]
use fmp4streamer::format::h264::laws;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    laws::assembler(data);
    laws::quiet(data);
});
