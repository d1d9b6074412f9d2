/** Durations and sizes as people write and read them; used by every flag and table that has one. */

const msByUnit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

type Unit = keyof typeof msByUnit

const durationPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** What a duration looks like, for error messages. */
export const durationExample = 'a number with a unit, such as 500ms, 10s, 10m, 2h or 1d'

/**
 * Reads a duration such as `500ms`, `1.5s` or `10m`, in ms, rounded to a whole one. `0` needs no unit.
 * Undefined where the text is none: a bare number is refused, as nobody can say what it counts.
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  const match = durationPattern.exec(text)
  if (match === null) return undefined
  // The pattern has exactly these two groups, and the second one lists the units.
  const [, amount, unit] = match as unknown as [string, string, Unit]
  const ms = Math.round(Number(amount) * msByUnit[unit])
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** The shortest exact way to write a duration of whole ms: 600,000 is `10m`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0'
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms % msByUnit[unit] === 0) return `${ms / msByUnit[unit]}${unit}`
  }
  return `${ms}ms`
}

/** Seconds for people, to two units: `8 s`, `2 m 05 s`, `3 h 20 m`, `2 d 4 h`. */
export function formatSeconds(seconds: number): string {
  const two = (count: number): string => String(count).padStart(2, '0')
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`
  const hours = Math.floor(minutes / 60)
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const bytesByUnit = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3
} as const

const bytesPattern = /^(\d+(?:\.\d+)?)(B|kB|MB|GB|KiB|MiB|GiB)$/

/** What a number of bytes looks like, for error messages. */
export const bytesExample = 'a number with a unit, such as 500kB, 10MB or 32MiB'

/**
 * Reads a number of bytes such as `500kB`, `10MB` or `1.5GiB`, rounded to a whole one: kB, MB and GB go by
 * thousands, KiB, MiB and GiB by 1024. `0` needs no unit. Undefined where the text is none.
 */
export function parseBytes(text: string): number | undefined {
  if (text === '0') return 0
  const match = bytesPattern.exec(text)
  if (match === null) return undefined
  // The pattern has exactly these two groups, and the second one lists the units.
  const [, amount, unit] = match as unknown as [string, string, keyof typeof bytesByUnit]
  const bytes = Math.round(Number(amount) * bytesByUnit[unit])
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Bytes for people: `0 B`, `999 B`, `1.5 KiB`, `12.3 GiB`. */
export function formatBytes(bytes: number): string {
  let amount = bytes
  let unit = 0
  // 1023.95 would be shown as 1024.0 of the smaller unit.
  while (amount >= 1023.95 && unit < byteUnits.length - 1) {
    amount /= 1024
    unit++
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${byteUnits[unit]!}`
}

/** A count with thousands apart, whatever the locale: `1,234,567`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 file`, `2 files`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}
