#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fmp4streamer::format::h264::assembler::laws::assembler(data));
