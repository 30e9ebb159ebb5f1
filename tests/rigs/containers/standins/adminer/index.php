<?php
// The official image does this with a plugin, whose interface differs between Adminer 4 and 5.
ob_start(function ($page) {
    $server = htmlspecialchars(getenv("ADMINER_DEFAULT_SERVER") ?: "db", ENT_QUOTES);
    return preg_replace('/(name=["\']auth\[server\]["\'] value=["\'])(?=["\'])/', '${1}' . $server, $page);
});
include "/usr/share/adminer/adminer.php";
