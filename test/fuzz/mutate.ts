/** Turns valid messages into such as nobody sends: what one end could be made to read. Used by the fuzzer. */
import type { SeededRandom } from '../simulation/random.ts'

/** Bytes of the longest run that is put in. */
const maxRun = 4_096

/** How many changes one message gets at most. */
const maxChanges = 4

/** Unsigned varints at the edges: the largest of 32 bits and of 53, one of 64, and one that does not end. */
const edges: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  Array.from({ length: 12 }, () => 0xff),
  [0x80, 0x80, 0x80, 0x00]
]

type Change = (bytes: Uint8Array, random: SeededRandom, samples: readonly Uint8Array[]) => Uint8Array

const changes: readonly Change[] = [
  flipBits,
  cut,
  splice,
  repeat,
  (bytes, random) => put(bytes, random, random.bytes(1 + random.integer(16))),
  (bytes, random) => put(bytes, random, random.pick(edges)),
  (bytes, random) => overwrite(bytes, random, random.pick(edges)),
  lieAboutLength,
  nest,
  fillWithOneByte
]

/** One of the samples, changed a few times; seldom random bytes alone. */
export function mutate(random: SeededRandom, samples: readonly Uint8Array[]): Uint8Array {
  if (random.chance(0.05)) return random.bytes(random.integer(200))
  let bytes = random.pick(samples)
  // Mostly one: what has been changed often is refused early.
  const count = random.chance(0.6) ? 1 : 1 + random.integer(maxChanges)
  for (let left = count; left > 0; left--) bytes = random.pick(changes)(bytes, random, samples)
  return bytes
}

function flipBits(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const changed = copyOf(bytes)
  for (let left = 1 + random.integer(4); left > 0 && changed.length > 0; left--)
    changed[random.integer(changed.length)]! ^= 1 << random.integer(8)
  return changed
}

function cut(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const end = random.integer(bytes.length + 1)
  return bytes.subarray(random.chance(0.2) ? random.integer(end + 1) : 0, end)
}

/** The beginning of this one, and the end of another. */
function splice(bytes: Uint8Array, random: SeededRandom, samples: readonly Uint8Array[]): Uint8Array {
  const other = random.pick(samples)
  return joined([cut(bytes, random), other.subarray(random.integer(other.length + 1))])
}

/** A part of it many times over: fields that come again, lists without end. */
function repeat(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const start = random.integer(bytes.length + 1)
  const part = bytes.subarray(start, start + 1 + random.integer(64))
  const times = 1 + random.integer(Math.ceil(maxRun / Math.max(1, part.length)))
  return put(bytes, random, Buffer.alloc(part.length * times, part))
}

function put(bytes: Uint8Array, random: SeededRandom, what: Iterable<number>): Uint8Array {
  const at = random.integer(bytes.length + 1)
  return joined([bytes.subarray(0, at), Uint8Array.from(what), bytes.subarray(at)])
}

function overwrite(bytes: Uint8Array, random: SeededRandom, what: readonly number[]): Uint8Array {
  const at = random.integer(bytes.length + 1)
  return joined([bytes.subarray(0, at), Uint8Array.from(what), bytes.subarray(at + what.length)])
}

/** A byte that may be a length says more, or less, than there is. */
function lieAboutLength(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const changed = copyOf(bytes)
  const at = random.integer(Math.max(1, changed.length))
  if (at < changed.length) changed[at] = random.pick([0, 1, changed.length & 0x7f, 0x7f, 0xff])
  return changed
}

/** Groups within groups, which a reader that skips what it does not know may follow down. */
function nest(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  return put(
    bytes,
    random,
    new Uint8Array(1 + random.integer(random.chance(0.02) ? 200_000 : maxRun)).fill(0x0b)
  )
}

function fillWithOneByte(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const start = random.integer(bytes.length + 1)
  const value = random.pick([0, 0x7f, 0x80, 0xff])
  return copyOf(bytes).fill(value, start, Math.min(bytes.length, start + random.integer(40)))
}

/** A plain array of its own, even of a Buffer, whose slices would be views of the samples. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
