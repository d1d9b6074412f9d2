/** How much one message of a session asks or tells; both ends keep to it, and the one that is asked insists. */

/** Nodes whose children are compared at once: 4,096 sums, some 50 KB. */
export const maxParents = 256

/** Nodes listed or streamed by one request. */
export const maxNodes = 1024

/** Records, of both ends together, in nodes that one request lists, unless one node alone has more. */
export const listedAtOnce = 2048

/**
 * Fingerprints in one request: 128 KiB. Only a slot with more records than that is not to be reconciled: there
 * are none in a store of less than some hundred million.
 */
export const maxFingerprints = 16_384

/** Records, of both ends together, from which on a node is split rather than listed. */
export const maxListedNode = 64
