/** Limits that the wire, the disk and the command line share, each with its unit and reason. */

/** Bytes of a key, UTF-8 where it is text. Keys travel with every record and every listing. */
export const maxKeyBytes = 1024

/** Bytes of a value. One value is one message; larger things want chunks under keys of their own. */
export const maxValueBytes = 4 * 1024 * 1024

/** Members of a topology, in all standings that count for a ring: full tables everywhere. */
export const maxMembers = 1000

/** Tokens of one member: above this a share is no more even, and rings grow. */
export const maxVnodes = 1024

/** Copies of a record (N). */
export const maxReplicas = 15

/** Bytes of one message on a stream: a largest record and its envelope. */
export const maxMessageBytes = maxValueBytes + maxKeyBytes + 64 * 1024

/** Bytes of records or versions in one message of bulk transfer, unless one record alone is larger. */
export const maxBatchBytes = 512 * 1024

/** The least bandwidth limit for moving records, in bytes per second: a batch of them then takes 8 s. */
export const minTransferBytesPerSecond = 64_000

/** The longest deadline of a request, in ms. */
export const maxDeadlineMs = 60_000

/** Microseconds since 1970 in a version: the year 2200. A stamp beyond it is a fault, not a clock. */
export const maxTime = 7_258_118_400_000_000
