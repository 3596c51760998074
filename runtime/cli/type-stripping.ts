/** Whether this Node runs .ts files by itself (22.18 and later): all of TypeScript that can be erased, so no decorators. */
export const STRIPS_TYPES = Boolean((process.features as { readonly typescript?: unknown }).typescript)
