// Requests to the server that served this page. Every failure is an Error whose message can be shown.

async function failure(response) {
  const said = await response.json().catch(() => ({}));
  return new Error(said.error || `the server says ${response.status}`);
}

async function reach(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server cannot be reached");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

async function send(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await reach(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  return response.json();
}

export const get = async (path) => (await reach(path)).json();
export const post = (path, body) => send("POST", path, body);
export const put = (path, body) => send("PUT", path, body);
export const patch = (path, body) => send("PATCH", path, body);
export const remove = (path) => send("DELETE", path);

/** What lies there, as a Blob. */
export const blob = async (path, signal) => (await reach(path, { signal })).blob();

/** Send a file as it is; `onShare` is told 0..1, `signal` gives it up. fetch cannot tell how far an upload is. */
export function upload(path, file, onShare, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-Name", encodeURIComponent(file.name));
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onShare(event.loaded / event.total));
    request.addEventListener("error", () => reject(new Error("the upload broke off")));
    request.addEventListener("abort", () => reject(new DOMException("given up", "AbortError")));
    request.addEventListener("load", () => {
      const said = request.response ?? {};
      if (request.status === 201) resolve(said);
      else reject(new Error(said.error || `the server says ${request.status}`));
    });
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
