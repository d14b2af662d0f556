// Requests to the server that served this page. Every failure is an Error whose message can be shown.

async function answer(response) {
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(said.error || `the server says ${response.status}`);
  return said;
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Error("the server cannot be reached");
  }
}

export async function get(path) {
  return answer(await reach(path));
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return answer(await reach(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

export async function remove(path) {
  return answer(await reach(path, { method: "DELETE" }));
}

/** Send a file as it is; `onShare` is told 0..1. fetch cannot tell how far an upload is, so this is XMLHttpRequest. */
export function upload(path, file, onShare) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-Name", encodeURIComponent(file.name));
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onShare(event.loaded / event.total));
    request.addEventListener("error", () => reject(new Error("the upload broke off")));
    request.addEventListener("load", () => {
      const said = request.response ?? {};
      if (request.status === 201) resolve(said);
      else reject(new Error(said.error || `the server says ${request.status}`));
    });
    request.send(file);
  });
}
