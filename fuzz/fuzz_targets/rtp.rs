#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fmp4streamer::format::rtp::laws::rtp(data));
