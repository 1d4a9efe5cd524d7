/* The feed's clock in the page, by bracketed exchanges.

   before ──ask──► server reads its clock ─response─► after
   offset = server's instant − (before + after) / 2,  wrong by at most (after − before) / 2

   The narrowest bracket of the last minute counts. Known weakness: a delay that is longer one way than the other is not seen. */

const KEPT = 60;

export class Clock {
  brackets = [];                                 // [width, offset] in ms

  exchanged(before, serverMs, after) {
    this.brackets.push([after - before, serverMs - (before + after) / 2]);
    if (this.brackets.length > KEPT) this.brackets.shift();
    [this.width, this.offset] = this.brackets.reduce((best, each) => (each[0] < best[0] ? each : best));
  }

  nowMs() {
    return performance.now() + this.offset;
  }
}
