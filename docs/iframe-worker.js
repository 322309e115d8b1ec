// The search of the site runs in a worker, and browsers allow none from files: there, an invisible frame does its work.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.ready = new Promise(resolve => {
        this.frame.addEventListener("load", () => {
          const inside = this.frame.contentWindow
          inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
          const load = src => new Promise((loaded, failed) => {
            const script = inside.document.createElement("script")
            Object.assign(script, { src, onload: loaded, onerror: failed })
            inside.document.head.append(script)
          })
          inside.importScripts = (...urls) => urls.reduce((before, each) => before.then(() => load(each)), Promise.resolve())
          resolve(load(String(new URL(url, location.href))).then(() => inside))
        }, { once: true })
      })
      const attach = () => document.body.append(this.frame)
      document.body ? attach() : addEventListener("DOMContentLoaded", attach)
    }

    postMessage(data) {
      this.ready.then(inside => inside.dispatchEvent(new inside.MessageEvent("message", { data })))
    }

    terminate() {
      this.frame.remove()
    }
  }
  window.Worker = window.IFrameWorker
}
