//! The operations, as tables and texts with holes in them, `{name}` and others (ONVIF Core and Media Service Specifications; their WSDL
//! and schemas of version 10).

use crate::format::soap::{escape, fill};

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The device, and everybody may know (ONVIF Core, 5.9.4.3, PRE_AUTH).
    Anybody,
    /// The device.
    Device,
    /// Each camera, one after the other.
    Every,
    /// The camera of the token, or the first one.
    One,
}

/// An operation: its name with its service's prefix, what it is about, and what it answers.
pub type Operation = (&'static str, About, &'static str);

/// Of the device service `tds`, and of the media service `trt`.
pub static OPERATIONS: [Operation; 17] = [
    (
        "tds:GetSystemDateAndTime",
        About::Anybody,
        "<tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>\
         <tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone><tt:UTCDateTime><tt:Time><tt:Hour>{hour}</tt:Hour>\
         <tt:Minute>{minute}</tt:Minute><tt:Second>{second}</tt:Second></tt:Time><tt:Date><tt:Year>{year}</tt:Year>\
         <tt:Month>{month}</tt:Month><tt:Day>{day}</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime>",
    ),
    (
        "tds:GetServices",
        About::Anybody,
        "<tds:Service><tds:Namespace>http://www.onvif.org/ver10/device/wsdl</tds:Namespace>\
         <tds:XAddr>{http}/onvif/device_service</tds:XAddr>{version}</tds:Service>\
         <tds:Service><tds:Namespace>http://www.onvif.org/ver10/media/wsdl</tds:Namespace>\
         <tds:XAddr>{http}/onvif/media_service</tds:XAddr>{version}</tds:Service>",
    ),
    (
        "tds:GetCapabilities",
        About::Anybody,
        "<tds:Capabilities><tt:Device><tt:XAddr>{http}/onvif/device_service</tt:XAddr></tt:Device><tt:Media>\
         <tt:XAddr>{http}/onvif/media_service</tt:XAddr><tt:StreamingCapabilities><tt:RTPMulticast>false</tt:RTPMulticast>\
         <tt:RTP_TCP>true</tt:RTP_TCP><tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media>\
         </tds:Capabilities>",
    ),
    (
        "tds:GetServiceCapabilities",
        About::Anybody,
        "<tds:Capabilities><tds:Network/><tds:Security HttpDigest=\"true\" UsernameToken=\"true\"/><tds:System/></tds:Capabilities>",
    ),
    (
        "trt:GetServiceCapabilities",
        About::Anybody,
        "<trt:Capabilities SnapshotUri=\"{snapshot}\"><trt:ProfileCapabilities/>\
         <trt:StreamingCapabilities RTPMulticast=\"false\" RTP_TCP=\"true\" RTP_RTSP_TCP=\"true\"/></trt:Capabilities>",
    ),
    (
        "tds:GetDeviceInformation",
        About::Device,
        "<tds:Manufacturer>fmp4streamer</tds:Manufacturer><tds:Model>fmp4streamer</tds:Model>\
         <tds:FirmwareVersion>{program}</tds:FirmwareVersion><tds:SerialNumber>{uuid}</tds:SerialNumber>\
         <tds:HardwareId>fmp4streamer</tds:HardwareId>",
    ),
    (
        "tds:GetNetworkInterfaces",
        About::Device,
        "<tds:NetworkInterfaces token=\"net\"><tt:Enabled>true</tt:Enabled><tt:Info><tt:HwAddress>{mac}</tt:HwAddress></tt:Info>\
         </tds:NetworkInterfaces>",
    ),
    ("tds:GetScopes", About::Device, "{scopes}"),
    (
        "trt:GetVideoSources",
        About::Every,
        "<trt:VideoSources token=\"{name}\"><tt:Framerate>{fps}</tt:Framerate>\
         <tt:Resolution>{size}</tt:Resolution></trt:VideoSources>",
    ),
    (
        "trt:GetProfiles",
        About::Every,
        "<trt:Profiles token=\"{name}\" fixed=\"true\">{profile}</trt:Profiles>",
    ),
    (
        "trt:GetProfile",
        About::One,
        "<trt:Profile token=\"{name}\" fixed=\"true\">{profile}</trt:Profile>",
    ),
    (
        "trt:GetVideoSourceConfigurations",
        About::Every,
        "<trt:Configurations token=\"{name}\">{source}</trt:Configurations>",
    ),
    (
        "trt:GetVideoEncoderConfigurations",
        About::Every,
        "<trt:Configurations token=\"{name}\">{encoder}</trt:Configurations>",
    ),
    (
        "trt:GetVideoEncoderConfiguration",
        About::One,
        "<trt:Configuration token=\"{name}\">{encoder}</trt:Configuration>",
    ),
    (
        "trt:GetVideoEncoderConfigurationOptions",
        About::One,
        "<trt:Options><tt:QualityRange><tt:Min>1</tt:Min><tt:Max>1</tt:Max></tt:QualityRange><tt:{codec}>\
         <tt:ResolutionsAvailable>{size}</tt:ResolutionsAvailable>{groups}\
         <tt:FrameRateRange><tt:Min>{fps}</tt:Min><tt:Max>{fps}</tt:Max></tt:FrameRateRange>\
         <tt:EncodingIntervalRange><tt:Min>1</tt:Min><tt:Max>1</tt:Max></tt:EncodingIntervalRange>{profiles}\
         </tt:{codec}></trt:Options>",
    ),
    (
        "trt:GetStreamUri",
        About::One,
        "<trt:MediaUri><tt:Uri>{rtsp}/{name}</tt:Uri>{for_ever}</trt:MediaUri>",
    ),
    (
        "trt:GetSnapshotUri",
        About::One,
        "<trt:MediaUri><tt:Uri>{http}{root}/snapshot.jpg</tt:Uri>{for_ever}</trt:MediaUri>",
    ),
];

/// What several answers have in common.
pub const COMMON: [(&str, &str); 6] = [
    (
        "{version}",
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>0</tt:Minor></tds:Version>",
    ),
    (
        "{for_ever}",
        "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>\
         <tt:Timeout>PT0S</tt:Timeout>",
    ),
    (
        "{profile}",
        "<tt:Name>{name}</tt:Name><tt:VideoSourceConfiguration token=\"{name}\">{source}</tt:VideoSourceConfiguration>\
         <tt:VideoEncoderConfiguration token=\"{name}\">{encoder}</tt:VideoEncoderConfiguration>",
    ),
    (
        "{source}",
        "<tt:Name>{name}</tt:Name><tt:UseCount>1</tt:UseCount><tt:SourceToken>{name}</tt:SourceToken>\
         <tt:Bounds x=\"0\" y=\"0\" width=\"{width}\" height=\"{height}\"/>",
    ),
    (
        "{encoder}",
        "<tt:Name>{name}</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>{codec}</tt:Encoding>\
         <tt:Resolution>{size}</tt:Resolution><tt:Quality>1</tt:Quality>\
         <tt:RateControl><tt:FrameRateLimit>{fps}</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval>\
         <tt:BitrateLimit>{kbps}</tt:BitrateLimit></tt:RateControl>{h264}\
         <tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address>\
         <tt:Port>0</tt:Port><tt:TTL>0</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>\
         <tt:SessionTimeout>PT60S</tt:SessionTimeout>",
    ),
    (
        "{size}",
        "<tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>",
    ),
];

/// Of a camera with H.264.
pub const OF_H264: [(&str, &str); 3] = [
    (
        "{h264}",
        "<tt:H264><tt:GovLength>{group}</tt:GovLength><tt:H264Profile>{h264_profile}</tt:H264Profile></tt:H264>",
    ),
    (
        "{groups}",
        "<tt:GovLengthRange><tt:Min>{group}</tt:Min><tt:Max>{group}</tt:Max></tt:GovLengthRange>",
    ),
    (
        "{profiles}",
        "<tt:H264ProfilesSupported>{h264_profile}</tt:H264ProfilesSupported>",
    ),
];

/// A whole message.
pub const ENVELOPE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
    <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:tds=\"http://www.onvif.org/ver10/device/wsdl\" \
    xmlns:trt=\"http://www.onvif.org/ver10/media/wsdl\" xmlns:tt=\"http://www.onvif.org/ver10/schema\" \
    xmlns:ter=\"http://www.onvif.org/ver10/error\"><s:Body>{body}</s:Body></s:Envelope>";

/// The body of an answer, ...
pub const RESPONSE: &str = "<{operation}Response>{text}</{operation}Response>";
/// ... or of one that says what is wrong (SOAP 1.2, part 1, 5.4).
pub const FAULT: &str = "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{code}</s:Value></s:Subcode></s:Code>\
    <s:Reason><s:Text xml:lang=\"en\">{reason}</s:Text></s:Reason></s:Fault>";

/// What recorders know a device of this kind by (ONVIF Core, 7.3.2.2).
const SCOPES: &str = "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/Profile/Streaming \
    onvif://www.onvif.org/hardware/fmp4streamer onvif://www.onvif.org/name/{host_name}";

/// The scopes of a machine of those names.
pub fn scopes(own_names: &[String]) -> String {
    let name = own_names.first().map_or("", String::as_str);
    fill(SCOPES, &[("{host_name}", &escape(name))])
}
