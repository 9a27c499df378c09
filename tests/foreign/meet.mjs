// Two guests join by a number code and one follows the other's position, with a client that is written from the .proto file alone.
//
//   node meet.mjs --server http://127.0.0.1:8080 --format proto|json
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { Connection, call, nameOf } from "./client.mjs";
import { FORMATS } from "./wire.mjs";

const { values } = parseArgs({ options: { server: { type: "string" }, format: { type: "string", default: "json" } } });
const format = FORMATS[values.format];
if (!values.server || !format) {
  console.error("usage: node meet.mjs --server http://HOST:PORT --format proto|json");
  process.exit(2);
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
const ID = /^[1-9]\d*$/;
const http = (method, path, options) => call(values.server, method, path, options);
const post = (path, token, body, status) => http("POST", path, { token, body, status });

let passed = 0;
let failed = 0;

/** One check. Later checks depend on earlier ones, so the first failure ends the run. */
async function test(name, prove) {
  try {
    await prove();
    passed += 1;
    console.log(`ok ${passed + failed} - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${passed + failed} - ${name}\n  ${String(error.stack ?? error).replaceAll("\n", "\n  ")}`);
    throw error;
  }
}

const ann = {};
const ben = {};
let session;

async function meet() {
  await test("two guests get tokens", async () => {
    for (const [guest, nickname] of [[ann, "Ann"], [ben, "Ben"]]) {
      const made = await post("/v1/guests", undefined, { nickname }, 201);
      assert.match(made.account.id, ID);
      assert.match(made.expiresAt, TIME);
      assert.match(made.refreshExpiresAt, TIME);
      assert.equal(made.account.nickname, nickname);
      Object.assign(guest, { id: made.account.id, access: made.accessToken });
    }
  });

  await test("one creates a session, the other joins by its number code", async () => {
    const created = await post("/v1/face-sessions", ann.access, { title: "Draft" }, 201);
    session = { ...created.faceSession, code: created.numberCode.code };
    assert.match(created.numberCode.code, /^[1-9]\d{5,11}$/);
    assert.match(created.numberCode.expiresAt, TIME);
    const body = { numberCode: created.numberCode.code, device: { name: "Ben's phone", kind: "phone" } };
    const admitted = await post("/v1/face-sessions/prejoin", ben.access, body, 200);
    assert.equal(admitted.status, "ADMITTED");
    assert.equal(admitted.faceSession.id, session.id);
    assert.match(admitted.seatExpiresAt, TIME);
    Object.assign(ann, { token: created.sessionToken, url: created.websocketUrl });
    Object.assign(ben, { token: admitted.sessionToken, url: admitted.websocketUrl });
  });

  await test("the host connects with a header and is welcome", async () => {
    ann.line = await Connection.open(ann.url, format, ann.token, "header");
    assert.equal(ann.line.protocol, format.subprotocol);
    checkWelcome(ann.line, ann.id, "HOST", [ann.id]);
  });

  await test("the guest connects as a browser does and is welcome", async () => {
    ben.line = await Connection.open(ben.url, format, ben.token, "subprotocol");
    assert.equal(ben.line.protocol, format.subprotocol, "the token is not echoed");
    checkWelcome(ben.line, ben.id, "GUEST", [ann.id, ben.id]);
    const self = ben.line.welcome.snapshot.members[1];
    const device = { name: "Ben's phone", kind: "phone" };
    assert.deepEqual(self.points, [{ pointId: ben.line.welcome.self.pointId, device }]);
    const joined = await ann.line.expect("memberJoin");
    assert.deepEqual(joined.memberJoin.member, self);
    assert.equal(joined.seq, ben.line.welcome.seq);
  });

  await test("a position goes nowhere while nobody follows, and to a new follower at once", async () => {
    const view = { page: 3, x: 0.25, y: 0.5, zoom: 1.5, rotation: 90 };
    const sent = await ann.line.ask({ actionSync: { key: "view", view } });
    assert.deepEqual(sent.before, []);
    assert.equal(sent.ack.seq, undefined, "ephemeral: 0, and so absent");
    const { ack, before } = await ben.line.ask({ nonce: "9007199254740993", followOther: { target: ann.id } });
    const [repeated, change, ...more] = before;
    assert.deepEqual([repeated.seq, repeated.from, repeated.followOther], [ack.seq, ben.id, { target: ann.id }]);
    assert.match(repeated.at, TIME);
    assert.deepEqual(change.followChange, { edges: [{ memberId: ben.id, target: ann.id, root: ann.id, reason: "CHOICE" }] });
    const shown = more.length > 0 ? more[0] : await ben.line.expect("actionSync");
    assert.deepEqual([shown.seq, shown.from, shown.actionSync], [undefined, ann.id, { key: "view", view }]);
    assert.deepEqual(await ann.line.expect("followOther"), repeated);
    assert.deepEqual(await ann.line.expect("followChange"), change);
    ben.followed = ack.seq;
  });

  await test("the follower alone sees where the other goes", async () => {
    for (const value of [{ key: "pointer", pointer: { x: 0.5, y: 1 } }, { key: "own", custom: "AQID" }]) {
      assert.equal((await ann.line.ask({ actionSync: value })).nack, undefined);
      assert.deepEqual((await ben.line.expect("actionSync")).actionSync, value);
    }
    assert.equal((await ben.line.ask({ actionSync: { key: "view", view: { page: 9 } } })).nack, undefined);
    assert.deepEqual((await ann.line.ask({ cancelFollow: {} })).before, [], "nothing reached the one who does not follow");
  });

  await test("what cannot be is refused with its reason", async () => {
    for (const [instruction, code] of [
      [{ followOther: { target: ben.id } }, "FOLLOW_SELF"],
      [{ followOther: { target: "4242" } }, "MEMBER_NOT_FOUND"],
      [{ cancelFollowMe: {} }, "NOT_PRESENTING"],
      [{ followMe: { invite: "ON", lock: "HARD" } }, "FORBIDDEN"],
      [{ actionSync: { key: "view", view: { rotation: 45 } } }, "INVALID_ARGUMENT"],
    ]) {
      const { nack, before } = await ben.line.ask(instruction);
      assert.deepEqual([nack?.code, before], [code, []], JSON.stringify(instruction));
    }
    assert.equal((await ann.line.ask({ followOther: { target: ben.id } })).nack?.code, "FOLLOW_CYCLE");
  });

  await test("a repeat is answered as the first and not applied", async () => {
    const { ack, before } = await ben.line.ask({ nonce: "9007199254740993", followOther: { target: ann.id } });
    assert.deepEqual([ack.seq, before], [ben.followed, []]);
  });

  await test("presenting invites, then attaches everybody", async () => {
    const asked = await ann.line.ask({ followMe: {} });
    checkPresenting(asked, { invite: "ASK", lock: "NONE" });
    assert.deepEqual(await ben.line.expect("followMe"), asked.before[0]);
    assert.deepEqual(await ben.line.expect("followChange"), asked.before[1]);
    const on = await ann.line.ask({ followMe: { invite: "ON", lock: "HARD" } });
    const edges = checkPresenting(on, { invite: "ON", lock: "HARD" });
    assert.deepEqual(edges, [{ memberId: ben.id, target: ann.id, root: ann.id, reason: "PRESENTER" }]);
    await ben.line.until("followChange");
    assert.equal((await ben.line.ask({ cancelFollow: {} })).nack?.code, "FOLLOW_LOCKED");
    assert.equal((await ben.line.ask({ followMe: {} })).nack?.code, "PRESENTER_ACTIVE");
  });

  await test("after a cut one gets what one missed, once and in order", async () => {
    const { seq } = ben.line;
    const { epoch } = ben.line.welcome;
    noComplaints(ben.line);
    ben.line.cut();
    const ended = await ann.line.ask({ cancelFollowMe: {} });
    ben.line = await Connection.open(`${ben.url}?epoch=${epoch}&seq=${seq}`, format, ben.token, "subprotocol");
    assert.equal(ben.line.welcome.resumed, true);
    assert.equal(ben.line.welcome.snapshot, undefined);
    assert.equal(ben.line.welcome.epoch, epoch);
    ben.line.seq = seq;
    const missed = ended.before.filter((frame) => ["cancelFollowMe", "followChange"].includes(nameOf(frame)));
    for (const frame of missed) assert.deepEqual(await ben.line.until(nameOf(frame)), frame);
    const change = missed.at(-1).followChange;
    assert.equal(change.presenting, undefined);
    assert.deepEqual(change.edges, [{ memberId: ben.id, target: ann.id, root: ann.id, reason: "RESTORED" }]);
  });

  await test("where the host decides, one knocks, waits, and is let in", async () => {
    await http("PATCH", `/v1/face-sessions/${session.id}`, { token: ann.access, body: { admission: "APPROVAL" }, status: 200 });
    for (const { line } of [ann, ben]) {
      assert.equal((await line.until("sessionChange")).sessionChange.faceSession.admission, "APPROVAL");
    }
    const eve = await post("/v1/guests", undefined, { nickname: "Eve" }, 201);
    const device = { name: "Eve's laptop", kind: "laptop" };
    const knocked = await post("/v1/face-sessions/prejoin", eve.accessToken, { numberCode: session.code, device }, 202);
    assert.equal(knocked.status, "WAITING");
    const { seq, memberKnock } = await ann.line.until("memberKnock");
    const { knockId, expiresAt, ...told } = memberKnock;
    assert.deepEqual([seq, told], [undefined, { nickname: "Eve", device, state: "WAITING" }]);
    assert.equal(expiresAt, knocked.expiresAt);
    assert.equal((await ben.line.ask({ admit: { knockId } })).nack?.code, "FORBIDDEN");
    const { nack, before } = await ann.line.ask({ admit: { knockId } });
    assert.equal(nack, undefined);
    assert.deepEqual(before.map((frame) => frame.memberKnock?.state), ["ADMITTED"]);
    const admitted = await post("/v1/face-sessions/wait", eve.accessToken, { waitToken: knocked.waitToken }, 200);
    assert.equal(admitted.status, "ADMITTED");
    assert.equal(admitted.faceSession.id, session.id);
  });

  await test("who leaves sees its own frame, its answer, and the end", async () => {
    const { ack, before } = await ben.line.ask({ quit: {} });
    const own = before.find((frame) => nameOf(frame) === "quit");
    assert.deepEqual([own.quit, own.seq], [{ memberId: ben.id, reason: "LEFT" }, ack.seq]);
    assert.equal((await ben.line.end()).code, 1000);
    assert.deepEqual((await ann.line.until("quit")).quit, own.quit);
  });

  await test("the host ends it, and that is the last frame", async () => {
    await post(`/v1/face-sessions/${session.id}/end`, ann.access, {}, 204);
    const { code, frames } = await ann.line.end();
    assert.equal(code, 4010);
    assert.deepEqual(frames.at(-1).sessEnd, { reason: "HOST_ENDED" });
    const read = await http("GET", `/v1/face-sessions/${session.id}`, { token: ann.access, status: 200 });
    assert.deepEqual([read.faceSession.status, read.faceSession.endReason], ["ENDED", "HOST_ENDED"]);
    assert.match(read.faceSession.endedAt, TIME);
  });

  await test("every frame was canonical, and no seq was missing", () => {
    noComplaints(ann.line);
    noComplaints(ben.line);
  });
}

/** Every field of `welcome`, none left out and none that the .proto file does not know. */
function checkWelcome(line, memberId, role, members) {
  const { self, epoch, seq, resumed, heartbeatInterval, snapshot, ...more } = line.welcome;
  assert.deepEqual(more, {});
  assert.deepEqual([line.welcomeFrame.seq, self.memberId, self.role, resumed], [undefined, memberId, role, undefined]);
  assert.match(line.welcomeFrame.at, TIME);
  assert.match(self.pointId, ID);
  assert.ok(epoch.length > 0 && epoch.length <= 32);
  assert.ok(Number.isInteger(seq) && seq > 0);
  assert.equal(heartbeatInterval, "20s");
  assert.deepEqual(Object.keys(snapshot).sort(), ["faceSession", "members"]);
  const { createdAt, ...described } = snapshot.faceSession;
  assert.match(createdAt, TIME);
  assert.deepEqual(described, {
    id: session.id, title: "Draft", hostId: ann.id, status: "ACTIVE", admission: "OPEN", hostLeft: "COUNTDOWN",
    maxMembers: 500, memberCount: members.length,
  });
  assert.deepEqual(snapshot.members.map((member) => member.memberId), members);
  for (const member of snapshot.members) {
    assert.equal(member.online, true);
    assert.match(member.joinedAt, TIME);
    assert.equal(member.role, member.memberId === ann.id ? "HOST" : "GUEST");
  }
}

/** Sends a `followMe` by Ann. Returns the edges that changed. */
function checkPresenting({ ack, before }, { invite, lock }) {
  const [repeated, change] = before;
  assert.deepEqual([nameOf(repeated), repeated.seq, change.seq], ["followMe", ack.seq, ack.seq + 1]);
  const { since, ...presenting } = change.followChange.presenting;
  assert.match(since, TIME);
  assert.deepEqual(presenting, { memberId: ann.id, invite, lock, term: 1 });
  return change.followChange.edges;
}

function noComplaints(line) {
  assert.deepEqual(line.wrong, []);
}

try {
  await meet();
} catch {
  // The failure is already printed.
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
