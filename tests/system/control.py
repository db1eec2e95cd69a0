# control.py - how do tests in Python talk to a gateway?
# SPDX-License-Identifier: BSD-3-Clause
"""A client of the control socket, see gateway/control/control.h."""
import json
import socket


class Refused(Exception):
    pass


class Control:
    def __init__(self, run, gateway="main"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(f"{run}/ctl/{gateway}.sock")
        self.stream = self.socket.makefile("rw")

    def call(self, op, **arguments):
        self.stream.write(json.dumps({"op": op, **arguments}) + "\n")
        self.stream.flush()
        line = self.stream.readline()
        if not line:
            raise Refused("the gateway is gone")
        answer = json.loads(line)
        if not answer["ok"]:
            raise Refused(f"{op} {arguments}: {answer}")
        return answer

    def get(self, path):
        return self.call("get", path=path)["text"]

    def set(self, path, text):
        self.call("set", path=path, text=text)

    def export(self, name):
        return self.call("show", export=name)["exports"][0]
