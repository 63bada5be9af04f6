/** The widget around the page: hands what the page asks to the kernel, and keeps the selection of both the same. */
export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    // Two views of one widget ask by the same numbers.
    const view = Math.random();
    const post = (message, parts = []) => frame.contentWindow?.postMessage(message, "*", parts);
    const select = () => post({ objectspace: "select", rows: model.get("rows") });
    const heard = ({ source, data }) => {
      if (source !== frame.contentWindow) return;
      if (data.objectspace === "ask") {
        const { id, method, path, query, body } = data;
        model.send({ view, id, method, path, query }, undefined, [body]);
      } else if (data.objectspace === "ready") {
        if (model.get("rows")) select();
      } else if (data.objectspace === "selected") {
        model.set("rows", data.rows);
        model.save_changes();
      }
    };
    const replied = (content, [body]) => {
      if (content.view !== view) return;
      const bytes = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength);
      post({ objectspace: "reply", id: content.id, status: content.status, body: bytes }, [bytes]);
    };
    addEventListener("message", heard);
    model.on("msg:custom", replied);
    model.on("change:rows", select);
    frame.title = "objectspace";
    frame.setAttribute("sandbox", "allow-scripts allow-downloads");
    frame.style.cssText = "width: 100%; height: 720px; border: 0";
    frame.srcdoc = model.get("page");
    el.append(frame);
    return () => {
      removeEventListener("message", heard);
      model.off("msg:custom", replied);
      model.off("change:rows", select);
    };
  },
};
