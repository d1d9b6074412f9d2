/**
 * Fewer window updates on Yamux streams; used by node.ts. libp2p's Yamux answers each chunk that arrives with a window
 * update: a frame, a write and a wake-up of the process at the other end, which for small requests is as much work as
 * the requests. Here an update waits until half of the smallest window is used, as in Yamux's first implementation
 * (hashicorp/yamux, stream.go, sendWindowUpdate); a sender is never out of window for that.
 */
import type { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream } from '@libp2p/interface'

/** Bytes of the window that every Yamux stream begins with, by its specification. */
const smallestWindowBytes = 256 * 1024

/** What a stream of libp2p's Yamux has besides being a stream. */
interface YamuxStream {
  handleData(frame: { readonly header: { readonly length: number } }): void
  sendWindowUpdate(): void
  sendResume(): void
}

type MakeFactory = ReturnType<typeof yamux>
type Muxer = ReturnType<ReturnType<MakeFactory>['createStreamMuxer']>

/** The same multiplexer, with streams that hold their window updates back. */
export function withFewWindowUpdates(makeFactory: MakeFactory): MakeFactory {
  return () => {
    const factory = makeFactory()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = connection => onEachStream(createStreamMuxer(connection), holdUpdates)
    return factory
  }
}

function onEachStream(muxer: Muxer, act: (stream: Stream) => void): Muxer {
  // Its event would be too late, and too early: it keeps streams for a connection that does not listen yet.
  const onRemoteStream = muxer.onRemoteStream.bind(muxer)
  muxer.onRemoteStream = stream => {
    act(stream)
    onRemoteStream(stream)
  }
  const createStream = muxer.createStream.bind(muxer)
  muxer.createStream = async options => {
    const stream = await createStream(options)
    act(stream)
    return stream
  }
  return muxer
}

/** Leaves alone what is not as it is known here: then there are more updates, and all else is the same. */
function holdUpdates(stream: Stream): void {
  if (!isYamuxStream(stream)) return
  const handleData = stream.handleData.bind(stream)
  const sendWindowUpdate = stream.sendWindowUpdate.bind(stream)
  const sendResume = stream.sendResume.bind(stream)
  let unannouncedBytes = 0
  // The first one may carry the acknowledgement of the stream itself.
  let mayWait = false
  stream.handleData = frame => {
    unannouncedBytes += frame.header.length
    handleData(frame)
    mayWait = true
  }
  stream.sendWindowUpdate = () => {
    if (mayWait && unannouncedBytes < smallestWindowBytes / 2) return
    unannouncedBytes = 0
    sendWindowUpdate()
  }
  stream.sendResume = () => {
    // While a stream is paused its updates are dropped.
    unannouncedBytes = smallestWindowBytes
    sendResume()
  }
}

function isYamuxStream(stream: object): stream is YamuxStream {
  const methods: ReadonlyArray<keyof YamuxStream> = ['handleData', 'sendWindowUpdate', 'sendResume']
  return methods.every(name => typeof (stream as Partial<YamuxStream>)[name] === 'function')
}
