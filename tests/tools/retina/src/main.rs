//! `retina-client tcp|udp URL`: writes what moonfire-nvr's RTSP library gives of a camera's H.264 to standard output, as a byte
//! stream (Rec. ITU-T H.264, Annex B).

use futures::StreamExt;
use retina::client::{PlayOptions, Session, SessionOptions, SetupOptions};
use retina::codec::{CodecItem, FrameFormat};
use std::error::Error;
use std::io::Write;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(transport), Some(url)) = (words.next(), words.next()) else {
        return Err("usage: retina-client tcp|udp URL".into());
    };
    let mut session = Session::describe(url.parse()?, SessionOptions::default()).await?;
    let video = session.streams().iter().position(|stream| stream.media() == "video");
    let setup = SetupOptions::default()
        .transport(transport.parse()?)
        .frame_format(FrameFormat::SIMPLE);
    session.setup(video.ok_or("no video")?, setup).await?;
    let mut items = session.play(PlayOptions::default()).await?.demuxed()?;
    let mut output = std::io::stdout().lock();
    while let Some(item) = items.next().await {
        if let CodecItem::VideoFrame(frame) = item? {
            if frame.loss() > 0 {
                eprintln!("{} packets are missing", frame.loss());
            }
            output.write_all(frame.data())?;
            output.flush()?;
        }
    }
    Ok(())
}
