// The cures of hf/kernel.h on a Java socket: what of them Java can do. Linux, Java 11. Untested: no test of this
// project runs it.
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import jdk.net.ExtendedSocketOptions;

final class Bounds {
    /**
     * Keepalive bounds an idle connection: idle + count * interval, here the bound. Java reaches neither
     * TCP_USER_TIMEOUT, TCP_RTO_MAX_MS nor TCP_INFO: with data in flight the kernel goes on for 939 s, whatever stands
     * here. So the bound that holds in every phase is the answer that the program waits for: read() with a time-out.
     */
    static void setBounds(Socket socket, int seconds) throws IOException {
        socket.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        socket.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, Math.max(1, seconds / 3));
        socket.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, Math.max(1, seconds / 6));
        socket.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, 4);
        socket.setSoTimeout(seconds * 1000); // read() throws SocketTimeoutException; the connection is as it was
    }

    /** FIN behind all that was written, then read to the end: what is left unread would turn close() into RST. */
    static boolean closeInOrder(Socket socket, int deadlineMs) throws IOException {
        socket.shutdownOutput();
        socket.setSoTimeout(deadlineMs);
        boolean finHeard = false;
        try {
            InputStream in = socket.getInputStream();
            byte[] waste = new byte[16384];
            while (in.read(waste) >= 0) continue;
            finHeard = true;
        } catch (SocketTimeoutException late) {
            socket.setSoLinger(true, 0); // the deadline: reset
        } finally {
            socket.close();
        }
        return finHeard; // how much was acknowledged Java does not tell; only the peer's own answer does
    }

    private Bounds() {}
}
