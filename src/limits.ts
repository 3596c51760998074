/** One limit on every backend, so that a program that works on a file also works on a cluster. */

/** Longest alias, in bytes of UTF-8. */
export const ALIAS_BYTES_MAX = 1024
/** Longest key of a row, in bytes of its order-preserving encoding (see row-key.ts). */
export const ROW_KEY_BYTES_MAX = 1024
/** Largest outcome kept inside a mark, in bytes; a larger one is kept in chunks that the mark lists. */
export const OUTCOME_BYTES_MAX = 64 * 1024
/** Deepest nesting of plain values inside one field. */
export const VALUE_DEPTH_MAX = 1000
/** Larger cells are kept in chunks of their own (see large-cells.ts). */
export const LARGE_CELL_BYTES = 64 * 1024 * 1024
/** Size of such a chunk. */
export const CHUNK_BYTES = 16 * 1024 * 1024
