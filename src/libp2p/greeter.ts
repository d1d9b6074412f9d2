/** The exchange of the first messages on a stream: waits for the other end's Hello, no longer than agreed. */
import { notDelivered } from './calls.ts'
import type { Deadlines } from './deadlines.ts'
import type { FramedStream } from './framed-stream.ts'
import { decodeHello, type HelloRefusal, type ReceivedHello } from './hello.ts'
import { greetingTimeoutMs, maxHelloBytes } from './limits.ts'

/**
 * The Hello of the other end, which `peerId` has sent. What follows it stays in the stream for the next
 * listener. Rejects with a TransportError `unreachable`, the stream closed, where none comes (then `silent`
 * is called) or it is malformed.
 */
export function receiveHello(
  stream: FramedStream,
  peerId: string,
  deadlines: Deadlines,
  silent?: () => void
): Promise<ReceivedHello | HelloRefusal> {
  return new Promise((resolve, reject) => {
    const timer = deadlines.after(greetingTimeoutMs, () => {
      stream.abort(`no greeting within ${greetingTimeoutMs} ms`)
      silent?.()
    })
    stream.listen({
      maxMessageBytes: maxHelloBytes,
      message(message) {
        const hello = decodeHello(message, peerId)
        timer.cancel()
        stream.listen(undefined)
        resolve(hello)
      },
      drained() {
        // A Hello fits any window.
      },
      closed(reason) {
        timer.cancel()
        reject(notDelivered('unreachable', `the stream ended before its greeting: ${reason}`))
      }
    })
  })
}
