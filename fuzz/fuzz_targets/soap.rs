#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fmp4streamer::format::soap::laws::soap(data));
