// The cures of hf/kernel.h on a Node socket: what of them Node can do. Linux, Node 18. Untested: no test of this
// project runs it.
'use strict';

// Node sets TCP_KEEPIDLE (the delay here), an interval of 1 s and 10 probes: an idle connection ends delay + 10 s after
// the last packet. It reaches neither TCP_USER_TIMEOUT, TCP_RTO_MAX_MS nor TCP_INFO: with data in flight the kernel
// goes on for 939 s. So the bound that holds in every phase is a clock over the peer's answers.
function setBounds(socket, boundMs, onSilent) {
  let clock = null;
  socket.setKeepAlive(true, Math.max(1000, boundMs - 10000));
  socket.on('data', () => { clearTimeout(clock); clock = null; });
  socket.on('close', () => clearTimeout(clock));
  return {
    ask(bytes) { // write() calls back when the kernel has the bytes, not when the peer has
      socket.write(bytes);
      if (clock === null) clock = setTimeout(() => { socket.destroy(); onSilent(); }, boundMs);
    },
  };
}

// FIN behind all that was written; reads to the end, since what is left unread would turn the close into RST.
function closeInOrder(socket, deadlineMs, done) {
  const late = setTimeout(() => { socket.resetAndDestroy(); done(false); }, deadlineMs);
  socket.on('end', () => { clearTimeout(late); done(true); });
  socket.resume();
  socket.end();
}

function explainConnect(error) {
  return {
    ECONNREFUSED: 'RST: that host is up, and nobody listens on the port',
    ETIMEDOUT: "no answer to any SYN: host down, packets dropped, or the listener's queue is full",
    EHOSTUNREACH: 'the next hop does not answer, or a router sent ICMP',
    EADDRNOTAVAIL: 'no local port is free for this destination: TIME_WAIT, see ss -tan',
  }[error.code] || error.message;
}

module.exports = { setBounds, closeInOrder, explainConnect };
