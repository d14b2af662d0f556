// The webcam: up by WebRTC, back restored and divided by the server; controls and figures through a data channel.

import { post } from "./api.js";
import { addDivider } from "./divider.js";
import { makePlot } from "./plots.js";

const byId = (id) => document.getElementById(id);

/** `settings()` gives {model, strength}. Returns tell(control), which passes a changed setting on. */
export function setUpWebcam(settings) {
  let call = null; // {camera, peer, channel} while one is on
  const [button, stage, video] = [byId("webcam-switch"), byId("webcam-stage"), byId("restored")];
  const divider = addDivider(stage, "Divider between before and after", (place) => tell({ divider: place }));
  divider.show(false);
  const plotFps = makePlot(byId("fps-plot"), "fps", "fps", [
    { name: "camera", color: "--second" },
    { name: "restored", color: "--accent" },
  ]);
  const plotLatency = makePlot(byId("latency-plot"), "ms", "ms", [
    { name: "p95", color: "--second" },
    { name: "median", color: "--accent" },
  ]);

  function tell(control) {
    if (call?.channel.readyState === "open") call.channel.send(JSON.stringify(control));
  }

  function say(text, isBad = false) {
    byId("webcam-status").textContent = text;
    byId("webcam-status").classList.toggle("bad", isBad);
  }

  async function start() {
    say("Asking for the camera …");
    if (!navigator.mediaDevices) throw new Error("the browser gives its camera only to https or to this very machine");
    const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    const camera = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    const peer = new RTCPeerConnection({ iceServers: [] });
    const channel = peer.createDataChannel("control");
    call = { camera, peer, channel };
    channel.addEventListener("open", () => tell({ divider: divider.place, ...settings() }));
    channel.addEventListener("message", (event) => show(JSON.parse(event.data)));
    peer.addEventListener("track", (event) => arrive(event.streams[0] ?? new MediaStream([event.track])));
    peer.addEventListener("connectionstatechange", () => {
      if (["failed", "disconnected"].includes(peer.connectionState)) stop("The connection was lost.", true);
    });
    const [track] = camera.getVideoTracks();
    track.addEventListener("ended", () => stop("The camera was disconnected.", true));
    const { sender } = peer.addTransceiver(track, { direction: "sendrecv", streams: [camera] });
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    say("Loading the model …");
    const answer = await post("/api/peers", { sdp: peer.localDescription.sdp, ...settings() });
    await peer.setRemoteDescription(answer);
    await sendWell(sender);
  }

  function arrive(stream) {
    video.srcObject = stream;
    stage.classList.remove("blank");
    divider.show(true);
    for (const id of ["figures", "plots"]) byId(id).hidden = false;
    say("Live. Move the line with mouse, finger or arrow keys.");
  }

  function stop(text = "Stopped.", isBad = false) {
    if (!call) return;
    for (const track of call.camera.getTracks()) track.stop();
    call.peer.close();
    call = null;
    video.srcObject = null;
    stage.classList.add("blank");
    divider.show(false);
    button.textContent = "Start webcam";
    say(text, isBad);
  }

  function show(stats) {
    if (stats.error) return say(stats.error, true);
    byId("fps").textContent = stats.restored_fps.toFixed(1);
    byId("latency").textContent = `${stats.latency_p50_ms.toFixed(0)} (p95 ${stats.latency_p95_ms.toFixed(0)})`;
    byId("dropped").textContent = stats.dropped;
    byId("step").textContent = `${stats.step} on ${stats.device}`;
    plotFps([stats.capture_fps, stats.restored_fps]);
    plotLatency([stats.latency_p95_ms, stats.latency_p50_ms]);
  }

  button.addEventListener("click", async () => {
    if (call) return stop();
    button.disabled = true;
    try {
      await start();
      button.textContent = "Stop webcam";
    } catch (error) {
      const refused = error.name === "NotAllowedError" ? "the browser does not allow it" : error.message;
      if (call) stop();
      say(`No webcam: ${refused}`, true);
    } finally {
      button.disabled = false;
    }
  });
  window.addEventListener("pagehide", () => stop());
  return tell;
}

/** Keep size and detail, and let the rate give way: what is restored should be what the camera saw. */
async function sendWell(sender) {
  const parameters = sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  for (const encoding of parameters.encodings ?? []) encoding.maxBitrate = 6_000_000;
  await sender.setParameters(parameters).catch(() => {});
}

/** Wait until the browser knows its own addresses; there is no server to send them to one by one. */
function gathered(peer) {
  return new Promise((resolve) => {
    const check = () => peer.iceGatheringState === "complete" && resolve();
    peer.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, 2000);
    check();
  });
}
