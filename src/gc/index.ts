export { collect } from './collect.js'
export { GC_OLDER_THAN_MS, type Garbage, type GarbageKind, type GcOptions, type GcReport } from './gc-options.js'
