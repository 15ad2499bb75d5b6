#!/usr/bin/env python3
"""Looks for ONVIF cameras on the network as recorders do, by PyPI's WSDiscovery, and says what it found."""
import sys
import time

from wsdiscovery import QName
from wsdiscovery.discovery import ThreadedWSDiscovery

network = "http://www.onvif.org/ver10/network/wsdl"
finder = ThreadedWSDiscovery()
finder.start()
deadline = time.monotonic() + 40
found = []
while not found and time.monotonic() < deadline:
    found = finder.searchServices(types=[QName(network, sys.argv[1])], timeout=1)
for service in found:
    print(service.getEPR(), *service.getXAddrs())
    print(*(scope.getValue() for scope in service.getScopes()))
    print(*(str(kind) for kind in service.getTypes()))
finder.stop()
