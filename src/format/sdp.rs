//! SDP (RFC 8866): what a player is told of a stream before it plays.

use super::base64;
use super::fmp4::{Init, TIMESCALE};
use super::rtp::{JPEG, SOUND, VIDEO};
use std::fmt::Write;

/// The description of a camera's stream: its video, and its sound if there is some; without `init` it is of JPEG pictures.
pub fn describe(name: &str, init: Option<&Init>) -> String {
    let mut text = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns={name}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n"
    );
    let Some(init) = init else {
        // What there is to be known of them is in the packets. Writing to a String can't fail.
        _ = write!(text, "m=video 0 RTP/AVP {JPEG}\r\na=control:trackID=0\r\n");
        return text;
    };
    let parameters = &init.parameters;
    let pps = parameters.pps.first().map_or(&[][..], Vec::as_slice);
    // RFC 6184, 8.1: profile, constraints and level as the SPS has them. One set of each kind, as some clients take no more:
    // what there is beyond that comes before each key frame.
    let profile: String = (parameters.sps.iter().skip(1).take(3))
        .map(|byte| format!("{byte:02X}"))
        .collect();
    _ = write!(
        text,
        "m=video 0 RTP/AVP {VIDEO}\r\na=rtpmap:{VIDEO} H264/{TIMESCALE}\r\n\
         a=fmtp:{VIDEO} packetization-mode=1; profile-level-id={profile}; sprop-parameter-sets={},{}\r\n\
         a=control:trackID=0\r\n",
        base64::encode(&parameters.sps),
        base64::encode(pps),
    );
    if let Some(format) = &init.sound {
        let [high, low] = format.config;
        // RFC 3640, 4.1.
        _ = write!(
            text,
            "m=audio 0 RTP/AVP {SOUND}\r\na=rtpmap:{SOUND} mpeg4-generic/{}/{}\r\n\
             a=fmtp:{SOUND} streamtype=5; profile-level-id=1; mode=AAC-hbr; sizelength=13; indexlength=3; \
             indexdeltalength=3; config={high:02x}{low:02x}\r\na=control:trackID=1\r\n",
            format.rate, format.channels
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::describe;
    use crate::format::fmp4::{Init, SoundFormat};
    use crate::format::h264::{Parameters, Sps};
    use crate::support::hex::hex;
    use std::sync::Arc;

    #[test]
    fn video_and_sound() {
        let sps = hex("6764001eacb201407b6022000003000200000300791e2c5c90");
        let parameters = Parameters {
            info: Sps::parse(&sps).unwrap(),
            sps,
            pps: vec![hex("68ebc3cb22c0"), hex("6848")],
        };
        let parameters = Arc::new(parameters);
        let silent = describe("yard", Some(&Init::new(Arc::clone(&parameters), 0, None)));
        assert_eq!(
            silent,
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=yard\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
             a=range:npt=now-\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1; profile-level-id=64001E; \
             sprop-parameter-sets=Z2QAHqyyAUB7YCIAAAMAAgAAAwB5Hixc&#,aOvDyyLA\r\na=control:trackID=0\r\n"
                .replace("&#", "kA==")
        );
        let pictures = describe("yard", None);
        let (session, _) = silent.split_once("m=").unwrap();
        assert_eq!(
            pictures.strip_prefix(session),
            Some("m=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n")
        );
        let sound = SoundFormat::new(48_000, 2);
        let both = describe("yard", Some(&Init::new(parameters, 0, sound)));
        assert_eq!(
            both.strip_prefix(&silent).unwrap(),
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\n\
             a=fmtp:97 streamtype=5; profile-level-id=1; mode=AAC-hbr; sizelength=13; indexlength=3; \
             indexdeltalength=3; config=1190\r\na=control:trackID=1\r\n"
        );
    }
}
