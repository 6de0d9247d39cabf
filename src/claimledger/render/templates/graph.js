(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var view = document.getElementById("view"), svg = view.querySelector("svg");
  var detail = document.getElementById("detail"), found = document.getElementById("found");
  var nodes = Array.prototype.slice.call(svg.querySelectorAll(".node"));
  var lines = Array.prototype.slice.call(svg.querySelectorAll(".line[data-one]"));
  var width = svg.viewBox.baseVal.width, height = svg.viewBox.baseVal.height, scale = 1;
  function zoom(to) {
    scale = Math.min(4, Math.max(0.08, to));
    svg.setAttribute("width", width * scale); svg.setAttribute("height", height * scale);
  }
  function whole() { zoom(Math.min(1, view.clientWidth / width, view.clientHeight / height)); }
  function show(node) {
    var key = node.dataset.key, one = data[key];
    detail.textContent = "";
    function add(tag, text, into) { var e = document.createElement(tag); e.textContent = text; (into || detail).appendChild(e); return e; }
    add("strong", one.who + " [" + key.replace("source:", "") + "]");
    add("p", one.said + (one.figures ? " (" + one.figures + ")" : ""));
    add("p", one.detail).className = "soft";
    if (one.folded.length) add("p", "Repeated by " + one.folded.join(", "));
    var list = add("ul", "");
    one.links.forEach(function (text) { add("li", text, list); });
    var near = {}; near[key] = true;
    lines.forEach(function (line) {
      var on = line.dataset.one === key || line.dataset.other === key;
      line.classList.toggle("dim", !on);
      if (on) { near[line.dataset.one] = true; near[line.dataset.other] = true; }
    });
    nodes.forEach(function (other) { other.classList.toggle("dim", !near[other.dataset.key]); });
  }
  function clear() { nodes.concat(lines).forEach(function (e) { e.classList.remove("dim"); }); }
  nodes.forEach(function (node) {
    node.addEventListener("click", function () { show(node); });
    node.addEventListener("keydown", function (e) {
      if (e.key === "Enter" || e.key === " ") { e.preventDefault(); show(node); }
    });
  });
  document.getElementById("search").addEventListener("input", function (e) {
    var text = e.target.value.trim().toLowerCase();
    clear(); found.textContent = "";
    if (!text) return;
    var hits = nodes.filter(function (node) {
      var one = data[node.dataset.key];
      var hit = (node.dataset.key + " " + one.who + " " + one.said + " " + one.figures).toLowerCase().indexOf(text) >= 0;
      node.classList.toggle("dim", !hit);
      return hit;
    });
    found.textContent = hits.length + " found";
    if (hits[0]) hits[0].scrollIntoView({block: "center", inline: "center"});
  });
  document.getElementById("in").onclick = function () { zoom(scale * 1.25); };
  document.getElementById("out").onclick = function () { zoom(scale / 1.25); };
  document.getElementById("all").onclick = function () { clear(); whole(); };
  view.addEventListener("wheel", function (e) {
    if (e.ctrlKey) { e.preventDefault(); zoom(scale * (e.deltaY < 0 ? 1.1 : 1 / 1.1)); }
  }, {passive: false});
  var from = null;
  view.addEventListener("pointerdown", function (e) { from = [e.clientX, e.clientY, view.scrollLeft, view.scrollTop]; });
  window.addEventListener("pointermove", function (e) {
    if (from) { view.scrollLeft = from[2] - (e.clientX - from[0]); view.scrollTop = from[3] - (e.clientY - from[1]); }
  });
  window.addEventListener("pointerup", function () { from = null; });
  document.addEventListener("keydown", function (e) {
    if (e.target.tagName === "INPUT") return;
    if (e.key === "+") zoom(scale * 1.25);
    if (e.key === "-") zoom(scale / 1.25);
    if (e.key === "0") { clear(); whole(); }
    if (e.key === "Escape") clear();
  });
  whole();
})();
