"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  // What comes before /j, if it needs no quoting in a shell.
  const server = () => {
    const prefix = location.pathname.replace(/\/j\/?$/, "");
    return location.origin + (/^[A-Za-z0-9._/-]*$/.test(prefix) ? prefix : "");
  };
  const show = () => {
    const secret = location.hash.slice(1);
    const complete = /^[A-Za-z0-9_-]{16,128}$/.test(secret);
    byId("invited").hidden = !complete;
    byId("incomplete").hidden = complete;
    if (!complete) return;
    byId("open").href = "faceshare://join#" + secret;
    byId("command").textContent = "facesharectl join --server=" + server() + " --invite=" + secret;
    byId("copied").textContent = "";
  };
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(byId("command").textContent);
      byId("copied").textContent = "Copied.";
    } catch {
      byId("copied").textContent = "Select the command and copy it.";
    }
  });
  addEventListener("hashchange", show);
  show();
})();
