/**
 * Unsigned varints as protobuf has them, of whole numbers from 0 to 2^53 - 1; used by what encodes messages by
 * hand, where the generated code would take several times as long.
 */

/** Bytes that `value` takes. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  if (value < 0x1000_0000) return 4
  let length = 5
  for (let limit = 2 ** 35; value >= limit; limit *= 0x80) length++
  return length
}

/** Writes `value`; returns the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  // Bits can be shifted out of 32 at a time only.
  while (value > 0xffff_ffff) {
    target[offset++] = (value % 0x80) | 0x80
    value = Math.floor(value / 0x80)
  }
  while (value >= 0x80) {
    target[offset++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  target[offset++] = value
  return offset
}
