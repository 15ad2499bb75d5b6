// What several modules do with numbers. Pure.

export const quantile = (values, part = 0.5) => [...values].sort((a, b) => a - b)[Math.floor(values.length * part)];
export const within = (value, least, most) => Math.max(least, Math.min(value, most));
