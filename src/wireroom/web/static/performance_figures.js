// Figures with as many digits as they are worth, the same number of them at each size, so that columns line up.

const LANGUAGE = document.documentElement.lang;
const DIGITS = [2, 1, 0].map((digits) => new Intl.NumberFormat(LANGUAGE, { minimumFractionDigits: digits, maximumFractionDigits: digits }));

/** "0", "4.10", "38.9", "446". */
export const fixed = (value) => (value === 0 ? "0" : DIGITS[value < 9.995 ? 0 : value < 99.95 ? 1 : 2].format(value));

/** "12 ms", "0.34 s", "128 s": a time that people waited, in seconds. */
export const waited = (seconds) => (seconds < 0.0995 ? `${DIGITS[2].format(seconds * 1000)} ms` : `${fixed(seconds)} s`);
