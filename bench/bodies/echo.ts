/** The emptiest body whose result can be checked. Rivals load this file: it imports nothing. */
export const echo = (n: number): number => n
