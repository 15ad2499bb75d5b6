#!/usr/bin/env python3
"""Adopts the ONVIF camera at HOST PORT as Home Assistant does, with its library (PyPI's onvif-zeep-async), and says what it got.

onvif_recorder.py HOST PORT NAME PASSWORD [text]: `text` sends the password as it is, in place of a digest.
"""
import asyncio
import logging
import sys

import onvif
from onvif import ONVIFCamera, ONVIFError
from onvif.util import is_auth_error, stringify_onvif_error

host, port, name, password, *how = sys.argv[1:]
# Its own times are short for a busy machine.
onvif.client._DEFAULT_TIMEOUT = onvif.client._READ_TIMEOUT = 40


async def adopt(camera):
    await camera.update_xaddrs()
    management = await camera.create_devicemgmt_service()
    now = (await management.GetSystemDateAndTime()).UTCDateTime
    print("year", now.Date.Year)
    about = await management.GetDeviceInformation()
    print("maker", about.Manufacturer, about.SerialNumber)
    interfaces = await management.GetNetworkInterfaces()
    print("mac", [it.Info.HwAddress for it in interfaces if it.Enabled])
    print("scopes", *(it.ScopeItem for it in await management.GetScopes()))
    media = await camera.create_media_service()
    print("snapshots", (await media.GetServiceCapabilities()).SnapshotUri)
    for service in camera.create_ptz_service, camera.create_imaging_service, camera.create_events_service:
        try:
            await service()
            print("has", service.__name__)
        except ONVIFError:
            pass
    for profile in await media.GetProfiles():
        encoder, source = profile.VideoEncoderConfiguration, profile.VideoSourceConfiguration
        size = encoder.Resolution
        print("profile", profile.token, encoder.Encoding, size.Width, size.Height, source.SourceToken)
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        stream = await media.GetStreamUri({"StreamSetup": setup, "ProfileToken": profile.token})
        snapshot = await media.GetSnapshotUri({"ProfileToken": profile.token})
        print("addresses", stream.Uri, snapshot.Uri)
        # What UniFi asks beyond that.
        options = await media.GetVideoEncoderConfigurationOptions({"ProfileToken": profile.token})
        assert options.H264.ResolutionsAvailable[0] == size, options
        again = await media.GetVideoEncoderConfiguration({"ConfigurationToken": encoder.token})
        assert again.token == encoder.token and again.Resolution == size, again
        assert (await media.GetProfile({"ProfileToken": profile.token})).token == profile.token
    print("sources", *(it.token for it in await media.GetVideoSources()))
    print("configurations", *(it.token for it in await media.GetVideoSourceConfigurations()))


async def main():
    logging.disable()
    camera = ONVIFCamera(host, port, name, password, encrypt="text" not in how, no_cache=True, adjust_time=True)
    try:
        await adopt(camera)
    except Exception as error:
        print("refused" if is_auth_error(error) else "failed", stringify_onvif_error(error))
    await camera.close()


asyncio.run(main())
