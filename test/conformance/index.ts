/** The conformance suite, for whoever writes a backend: `import { runConformance } from 'insitu/testing'`. */
export type { Case, CaseContext, Needs } from './case.js'
export { conformanceCases } from './cases.js'
export { type ConformanceOptions, type Report, runConformance } from './conformance.js'
export { ForwardingBackend } from './forwarding-backend.js'
export { ScrambledBackend } from './scrambled-backend.js'
export { type ConformanceFactory, ConformanceSession, type Outcome, type Subject } from './session.js'
