export { collect } from './collect.js'
export { type Garbage, type GarbageKind, GC_OLDER_THAN_MS, type GcOptions, type GcReport } from './gc-options.js'
