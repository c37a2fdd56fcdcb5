"""BigCommerce: a channel. What is known of it: contracts/woo_bigcommerce_magento.md."""
