/**
 * Time that goes faster for a peer, so that minutes of churn take less: its timers fire, and its deadlines pass, so
 * many times sooner. Only around the ports: the core notices nothing, and on the wire deadlines are in real time, so
 * that peers and clients of different paces understand each other. Wall clocks stay as they are, and so do the waits
 * of libp2p itself. For `annulus churn`.
 */
import type { Clock, RequestOptions, ServeContext, Transport, TransportHandlers } from '../../core/ports.ts'

/** The fastest pace: above it a probe's time is no longer than what a busy machine takes for an answer. */
export const maxPace = 5

export function pacedClock(clock: Clock, pace: number): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() * pace,
    after: (delayMs, fire) => clock.after(delayMs / pace, fire)
  }
}

/** A transport that is told and asked deadlines at that pace. */
export function pacedTransport(transport: Transport, pace: number): Transport {
  const slowed = (options: RequestOptions): RequestOptions => ({
    ...options,
    timeoutMs: options.timeoutMs / pace
  })
  return {
    peerId: transport.peerId,
    addresses: transport.addresses,
    start: handlers => transport.start(pacedHandlers(handlers, pace)),
    stop: () => transport.stop(),
    request: (to, body, options) => transport.request(to, body, slowed(options)),
    connect: (address, options) => transport.connect(address, slowed(options)),
    disconnect: peerId => transport.disconnect(peerId),
    remotes: () => transport.remotes(),
    limits: () => transport.limits?.() ?? {}
  }
}

function pacedHandlers(handlers: TransportHandlers, pace: number): TransportHandlers {
  return {
    greeting: () => handlers.greeting(),
    admit: remote => handlers.admit(remote),
    serve: (body, context) => handlers.serve(body, pacedContext(context, pace)),
    connected: remote => handlers.connected(remote),
    disconnected: remote => handlers.disconnected(remote),
    refused: (peerId, kind, words) => handlers.refused?.(peerId, kind, words)
  }
}

/** A context may make its signal only when that is asked for. */
function pacedContext(context: ServeContext, pace: number): ServeContext {
  return {
    get from() {
      return context.from
    },
    get signal() {
      return context.signal
    },
    get timeoutMs() {
      return context.timeoutMs * pace
    }
  }
}
