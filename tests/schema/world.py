"""Resources on the server under test, created when a request needs them.

A tester that draws ids at random never gets past "not found". For each operation this says what a request of the caller needs
in order to succeed: a live session that it hosts, a code that works, a link, a knock.
"""

import base64
import json
import os
import urllib.error
import urllib.request
import uuid

URL = os.environ["FACESHARE_URL"]
CALLER = os.environ["FACESHARE_CALLER"]


# Files of two by two pixels.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEklEQVR4nGP4z8DAAMIM/4EAAB/uBfsL2WiLAAAAAElFTkSuQmCC")
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////////////2wBDAVVaWnhp"
    "eOuCguv/////////////////////////////////////////////////////////////////////////wAARCAACAAIDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAA"
    "AAL/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAAAAAAAAAAAAAAA//EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AIAGd//Z"
)
WEBP = base64.b64decode("UklGRh4AAABXRUJQVlA4TBEAAAAvAUAAAAdQniLXo/+BiOh/AAA=")


def call(method, path, token=None, body=None):
    """One call; its status and its answer."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=40) as response:
            status, text = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text or "null")
    except ValueError:
        return status, None


def made(method, path, token=None, body=None):
    """The answer of a call that has to succeed."""
    status, answer = call(method, path, token, body)
    assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
    return answer


def guest(name="Visitor"):
    """A new guest's answer: tokens and account."""
    return made("POST", "/v1/guests", body={"nickname": name})


def avatar():
    """The key of another account's picture."""
    headers = {"content-type": "image/png", "authorization": f"Bearer {guest()['accessToken']}"}
    request = urllib.request.Request(URL + "/v1/accounts/me/avatar", PNG, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=40) as response:
        return json.load(response)["account"]["avatarUrl"].rsplit("/", 1)[1]


def newcomer():
    """An unused name and a password."""
    return {"username": f"u{uuid.uuid4().hex[:20]}", "password": uuid.uuid4().hex}


def account():
    """A new account's name and password, and what its sign-in answered."""
    who = newcomer()
    made("POST", "/v1/accounts", body=who)
    return who, made("POST", "/v1/accounts/sign-in", body=who)


def classic_account():
    """A name and a password made by the classic API."""
    who = {"username": uuid.uuid4().hex[:13], "password": uuid.uuid4().hex[:13]}
    answer = made("POST", "/api/entrytask/user/signup", body=who)
    assert answer["errCode"] == "7", answer
    return who


def cookie():
    """The cookie of another account that is signed in by the classic API."""
    body = json.dumps(classic_account()).encode()
    request = urllib.request.Request(URL + "/api/entrytask/user/signin", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=40) as response:
        return response.headers["set-cookie"].split(";")[0].split("=", 1)[1]


class World:
    """The caller of a run, its sessions and other resources."""

    def __init__(self, token):
        self.token = token

    def session(self, token=None, **settings):
        """A new session of the caller, or of the owner of `token`."""
        return made("POST", "/v1/face-sessions", token or self.token, settings)

    def hosted(self, **settings):
        return self.session(**settings)["faceSession"]["id"]

    def joined(self):
        """A session of another host that the caller is a member of."""
        code = self.session(guest("Host")["accessToken"])["numberCode"]["code"]
        return made("POST", "/v1/face-sessions/prejoin", self.token, {"numberCode": code})["faceSession"]["id"]

    def code(self):
        """A valid code of another host's session."""
        return self.session(guest("Host")["accessToken"])["numberCode"]["code"]

    def visited(self):
        """A session of the caller and the id of a member in it."""
        session = self.session()
        visitor = guest()
        made("POST", "/v1/face-sessions/prejoin", visitor["accessToken"], {"numberCode": session["numberCode"]["code"]})
        return session["faceSession"]["id"], visitor["account"]["id"]

    def linked(self):
        """A session of the caller with an invite link."""
        session = self.hosted()
        return session, made("POST", f"/v1/face-sessions/{session}/invoke-link", self.token, {})["inviteToken"]

    def knocked(self, knocker=None):
        """A session of the caller where a person waits for approval: its id, the knock's id, the wait token."""
        session = self.session(admission="APPROVAL")
        waiting = made(
            "POST",
            "/v1/face-sessions/prejoin",
            knocker or guest()["accessToken"],
            {"numberCode": session["numberCode"]["code"]},
        )
        session = session["faceSession"]["id"]
        knocks = made("GET", f"/v1/face-sessions/{session}/knocks", self.token)["knocks"]
        return session, knocks[0]["knockId"], waiting["waitToken"]

    def admitted(self):
        """The wait token of the caller's own knock, which has been answered."""
        host = World(guest("Host")["accessToken"])
        session, knock, wait = host.knocked(self.token)
        made("POST", f"/v1/face-sessions/{session}/knocks/{knock}/admit", host.token)
        return wait
