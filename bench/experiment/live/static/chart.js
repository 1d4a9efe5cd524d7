/* The age of a client's newest update over the last half minute, as a running line.

   The age grows with the time, and falls where an update comes. The grey line is the ideal client's, which has each
   update when it is due: what lies between the two is the transport's. All charts have one scale, so they compare. */

import { WINDOW_MS } from "/feed.js";

const STEPS = [0.2, 0.5, 1, 2, 5, 10, 20, 50];   // ends of the scale, in s

/* The largest age in the window, in ms. */
export function worst(steps, nowMs) {
  let age = steps.length ? nowMs - steps.at(-1)[1] : 0;
  for (let n = 1; n < steps.length; n += 1) age = Math.max(age, steps[n][0] - steps[n - 1][1]);
  return age;
}

/* The end of the scale, in ms, for this largest age. */
export function scale(ageMs) {
  return 1000 * (STEPS.find((end) => 1000 * end >= ageMs) ?? STEPS.at(-1));
}

export function draw(canvas, steps, ideal, nowMs, endMs, colour) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const bottom = height - 14;
  const x = (at) => width * (1 - (nowMs - at) / WINDOW_MS);
  const y = (age) => bottom - (bottom - 4) * Math.min(1, Math.max(0, age) / endMs);
  pen.strokeStyle = style.getPropertyValue("--line");
  pen.lineWidth = 1;
  for (const share of [0, 0.5, 1]) line(pen, [[0, y(share * endMs)], [width, y(share * endMs)]]);
  pen.strokeStyle = style.getPropertyValue("--faint");
  line(pen, saw(ideal.map((due) => [due, due]), nowMs, x, y));
  pen.strokeStyle = colour;
  pen.lineWidth = 1.75;
  line(pen, saw(steps, nowMs, x, y));
  pen.fillStyle = style.getPropertyValue("--faint");
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "alphabetic";
  pen.fillText(`${endMs / 1000} s`, 2, 14);
  pen.fillText("30 s ago", 2, height - 2);
  pen.textAlign = "right";
  pen.fillText("now", width - 2, height - 2);
  pen.textAlign = "left";
}

/* The corners of the age: up with the time, down at each step. */
function saw(steps, nowMs, x, y) {
  const corners = [];
  steps.forEach(([at, due], n) => {
    if (n) corners.push([x(at), y(at - steps[n - 1][1])]);
    corners.push([x(at), y(at - due)]);
  });
  if (steps.length) corners.push([x(nowMs), y(nowMs - steps.at(-1)[1])]);
  return corners;
}

function line(pen, corners) {
  pen.beginPath();
  for (const [x, y] of corners) pen.lineTo(x, y);
  pen.stroke();
}
